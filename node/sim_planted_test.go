package node_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	plantedNames = flag.String("planted", "", "planted bugs to look for with the simulation: all, or a part of a name")
	simFailures  = flag.Int("failures", failuresMax, "how many seeds may fail until no more are run")
)

// planted is a bug that the simulation must find: an edit of a source file. It
// is made for a test binary alone, so the product has none of it.
type planted struct {
	name     string
	test     string // that finds it
	file     string // in this module, or in a library's: path@module
	old, new string
	// often is the fault without which the bug does no harm; it happens more often
	// then, so that few seeds are needed.
	often string
}

const (
	oneNode = "TestSimulationOfOneNode"
	cluster = "TestSimulation"
)

// plantedBugs are those of every promise: that what is acknowledged is durable,
// once, visible, and on enough nodes, and that an answer says what it lacks.
func plantedBugs() []planted {
	return []planted{
		{"the log does not sync", oneNode, "raft/wal/lane.go",
			"	if err == nil && sync {\n		err = l.out.SyncData()\n	}\n", "", ""},
		{"the log answers before it writes", oneNode, "raft/wal/lane.go",
			"	err := l.commit(batch)\n",
			"	for _, r := range batch {\n		r.done <- nil\n		r.done = make(chan error, 1)\n	}\n	err := l.commit(batch)\n", "power at a change"},
		{"new directories of the log are not synced", oneNode, "raft/wal/log.go",
			"	for _, dir := range append(unsynced, w.cfg.Dir) {\n", "	for _, dir := range append(unsynced, w.cfg.Dir)[:0] {\n", ""},
		{"a renamed file is not synced in its folder", cluster, "storage/engine/fs.go",
			"	return SyncDir(fs, fs.PathDir(name))\n}\n\n// Names", "	return nil\n}\n\n// Names", ""},
		{"the log is cut behind the seal", oneNode, "raft/group.go",
			"g.needed(sealedIndex + 1 - keep)", "g.needed(sealedIndex + 4 - keep)", ""},
		{"the manifest has a later place in the log", oneNode, "storage/seal.go",
			"	state.Index, state.Term = index, term\n", "	state.Index, state.Term = index+1, term\n", ""},
		{"the manifest is durable before its segments", oneNode, "storage/seal.go",
			"	if err := s.env.Engine.Ingest(ctx, c.tables...); err != nil {\n		return err\n	}\n	batch := s.manifestBatch(job, c)\n	deletions := s.settle(job, s.segments(), c, batch)\n	s.purgeQuarantine(c, batch)\n	if err := s.env.Engine.Commit(batch); err != nil {\n",
			"	batch := s.manifestBatch(job, c)\n	deletions := s.settle(job, s.segments(), c, batch)\n	s.purgeQuarantine(c, batch)\n	if err := s.env.Engine.Commit(batch); err != nil {\n		return err\n	}\n	if err := s.env.Engine.Ingest(ctx, c.tables...); err != nil {\n", ""},
		{"segments are deleted before the manifest is durable", oneNode, "storage/seal.go",
			"	if err := s.env.Engine.Commit(batch); err != nil {\n",
			"	for _, id := range c.removed {\n		p := segmentKey(prefixSegment, s.cfg.Shard, id)\n		_ = s.env.Engine.DeleteSpan(ctx, p, after(p))\n	}\n	if err := s.env.Engine.Commit(batch); err != nil {\n", ""},
		{"keys are forgotten at a start", oneNode, "storage/shard.go",
			"newDedup(m.state.DedupFirst, m.dedup, s.cfg.DedupMax, 0, s.cfg.DedupKeep)", "newDedup(m.state.DedupNext, nil, s.cfg.DedupMax, 0, s.cfg.DedupKeep)", ""},
		{"what a snapshot brings is not made durable", cluster, "storage/manifest.go",
			"	if err := s.env.Engine.Commit(&batch); err != nil {\n		return fmt.Errorf(\"restore shard", "	if err := error(nil); err != nil {\n		return fmt.Errorf(\"restore shard", ""},
		{"the leader alone commits", cluster, "commitment.go@github.com/hashicorp/raft",
			"matched[(len(matched)-1)/2]", "matched[len(matched)-1]", ""},
		{"the vote is not stored", cluster, "raft/store.go",
			"func (s *store) SetUint64(key []byte, value uint64) error {\n", "func (s *store) SetUint64(key []byte, value uint64) error {\n	if string(key) == \"LastVoteTerm\" {\n		return nil\n	}\n", "power right after a vote"},
		{"a follower answers without asking its leader", cluster, "node/views.go",
			"	stale := n.catchUp(ctx, here, readPatience)\n", "	stale := map[model.ShardID]error{}\n", ""},
		{"a follower answers a leaf call without asking its leader", cluster, "node/views.go",
			"	for id, why := range n.catchUp(ctx, shards, leafPatience) {\n", "	for id, why := range map[model.ShardID]error{} {\n", ""},
		{"a new leader answers before it has committed", cluster, "raft/read.go",
			"	if g.readTerm.Load() != term {\n", "	if false {\n", "power right after an acknowledgement"},
		{"a leader answers without asking whether it leads", cluster, "raft/read.go",
			"		if err := g.verify(ctx); err != nil {\n			return 0, err\n		}\n", "		return index, nil\n", "a leader that does not hear"},
		{"an answer does not say what it lacks", cluster, "query/source.go",
			"	case missing == \"\":\n", "	case true:\n", ""},
		{"a replica counts before it has its segments", cluster, "node/replica/fetch.go",
			"	c.Complete = c.Segments == 0\n", "	c.Complete = true\n", "slow move"},
		{"a replica is deleted under those who read it", cluster, "node/replicas/set.go",
			"	if err := one.AwaitViews(reading); err != nil {\n		s.cfg.Logger.Warn(", "	if err := reading.Err(); err != nil {\n		s.cfg.Logger.Warn(", "move under a reader"},
		{"a tenant writes to shards that not every node asks", cluster, "cluster/heal/policy.go",
			"n.Catalogue < tenant.Announced", "n.Catalogue < tenant.Announced && p == nil", "spread while one is deaf"},
		{"keys go to the shards that a tenant is given", cluster, "node/router.go",
			"n.members.State().KeyShards(tenant)", "n.members.State().WriteShards(tenant)", "key after a spread"},
		{"a block that is sent again has no key", cluster, "node/router.go",
			"			_, _ = rand.Read(batches[i].Key[:])\n", "			_ = rand.Reader\n", "reset"},
		{"a deletion is forgotten at a start", oneNode, "storage/shard.go",
			"	s.mu.deletions = m.deletions\n", "	s.mu.deletions = nil\n", "delete"},
		{"a deletion has a later place in the log", cluster, "storage/deletion.go",
			"	d := &deletion{Deletion: command, index: at}\n	if d.compile(s.env.Query); d.err != nil {\n		s.logger",
			"	d := &deletion{Deletion: command, index: at + 4}\n	if d.compile(s.env.Query); d.err != nil {\n		s.logger", "delete"},
		{"a deletion hides for a moment what comes after it", cluster, "storage/view.go",
			"			of := concerningBlock(deletions, tenant, b.index)\n			view.Parts = append(view.Parts, masked(&b.masked, b, b.index, of))\n",
			"			of := concerningBlock(deletions, tenant, 0)\n			view.Parts = append(view.Parts, masked(&b.masked, b, 0, of))\n", "delete amid writes"},
		{"a deletion removes what is sealed after it", cluster, "storage/seal.go",
			"c.remaining(p, b.index, concerningBlock(job.deletions, tenant, b.index))", "c.remaining(p, 0, concerningBlock(job.deletions, tenant, 0))", "delete amid writes"},
		{"a segment counts as clean and is not", oneNode, "storage/merge.go",
			"if of := concerning(deletions, &one.Entry, merge.Cleaned); len(of) > 0 {", "if of := concerning(deletions, &one.Entry, merge.Cleaned); len(of) > 1<<20 {", "delete"},
		{"a segment goes under its readers when it is found clean", oneNode, "storage/view.go",
			"return &sealed{entry, s.stored} }",
			"\n	one := &sealed{entry, &stored{}}\n	one.here.Store(s.here.Load())\n	one.hash.Store(s.hash.Load())\n	return one\n}", "delete"},
		{"retention goes by the clock of one node", cluster, "node/node.go",
			"Clock: n.clusterTime,", "Clock: func(context.Context) (time.Time, error) { return n.cfg.Now(), nil },", "retention by a clock that is ahead"},
		{"a command of the catalogue is applied twice", cluster, "cluster/catalogue/catalogue.go",
			"	after, err := before.applyEncoded(index, command)\n",
			"	after, err := before.applyEncoded(index, command)\n	if err == nil {\n		after, err = after.applyEncoded(index, command)\n	}\n", ""},
	}
}

// path returns where the file of a planted bug is.
func (p planted) path(t *testing.T) string {
	t.Helper()
	name, module, library := strings.Cut(p.file, "@")
	if !library {
		path, err := filepath.Abs(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), name)
}

// plant returns the file with the bug in it.
func (p planted) plant(t *testing.T) (path, text string) {
	t.Helper()
	path = p.path(t)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), p.old); n != 1 {
		t.Fatalf("%s: what is to be replaced is %d times in %s, want once", p.name, n, p.file)
	}
	return path, strings.Replace(string(source), p.old, p.new, 1)
}

// TestPlantedBugsFit checks that the edits still fit the sources.
func TestPlantedBugsFit(t *testing.T) {
	for _, p := range plantedBugs() {
		p.plant(t)
	}
}

// TestPlantedBugs builds the simulation with one bug after the other and looks
// how many seeds find it. It takes minutes, so it has to be asked for.
func TestPlantedBugs(t *testing.T) {
	if *plantedNames == "" {
		t.Skip("ask for it with -planted all")
	}
	seeds := *simSeeds
	if seeds == 0 {
		seeds = plantedSeeds
	}
	for _, p := range plantedBugs() {
		if *plantedNames != "all" && !strings.Contains(p.name, *plantedNames) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			binary := p.build(t)
			command := exec.Command(binary, "-test.run", "^"+p.test+"$", "-test.v", "-test.timeout", "10m", "-failures", "1", "-often", p.often,
				"-seeds", fmt.Sprint(seeds), "-seed", fmt.Sprint(*simSeed))
			output, err := command.CombinedOutput()
			if strings.Contains(string(output), "panic: test timed out") {
				t.Fatal("the seeds took too long; with fewer of them: -seeds")
			}
			runs := regexp.MustCompile(`(?m)^=== RUN +\S+/seed=\d+`).FindAll(output, -1)
			if err == nil {
				t.Errorf("not found by %d seeds", len(runs))
				return
			}
			t.Logf("found by seed %d of %s: %s", len(runs), p.test, firstFault(string(output)))
		})
	}
}

// plantedSeeds is how many seeds may be needed to find a planted bug.
const plantedSeeds = 300

// build returns a test binary with the bug in it.
func (p planted) build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path, text := p.plant(t)
	write := func(name string, content []byte) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	binary, arguments := filepath.Join(dir, "node.test"), []string{"test", "-c"}
	if _, module, library := strings.Cut(p.file, "@"); library {
		// Files of libraries cannot be overlaid: a copy stands instead.
		if err := os.CopyFS(filepath.Join(dir, "library"), os.DirFS(filepath.Dir(path))); err != nil {
			t.Fatal(err)
		}
		edited := filepath.Join(dir, "library", filepath.Base(path))
		if err := errors.Join(os.Remove(edited), os.WriteFile(edited, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"go.mod", "go.sum"} {
			content, err := os.ReadFile(filepath.Join("..", name))
			if err != nil {
				t.Fatal(err)
			}
			if name == "go.mod" {
				content = fmt.Appendf(content, "\nreplace %s => %s\n", module, filepath.Dir(edited))
			}
			write(name, content)
		}
		arguments = append(arguments, "-modfile", filepath.Join(dir, "go.mod"))
	} else {
		replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: write(filepath.Base(path), []byte(text))}})
		if err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "-overlay", write("overlay.json", replace))
	}
	if output, err := exec.Command("go", append(arguments, "-o", binary, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return binary
}

// firstFault returns the first line of an output that says what is wrong.
func firstFault(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "sim_") && !strings.Contains(line, "map[") {
			return line
		}
	}
	return "no fault is named"
}
