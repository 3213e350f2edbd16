package catalogue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stere-log/stere/raft"
)

// TestResultsTravel: every error is on the other side what it was here.
func TestResultsTravel(t *testing.T) {
	for _, kind := range []error{
		ErrConflict, ErrUnknownNode, ErrUnknownShard, ErrRefused, ErrInvalid, ErrCommand,
		raft.ErrUncertain, raft.ErrNoSpace, raft.ErrShutdown, errors.New("of another kind"),
	} {
		want := fmt.Errorf("shard 7: %w: in words", kind)
		got := DecodeResult(encodeResult(0, want))
		if got == nil || got.Error() != want.Error() {
			t.Errorf("%v became %v", want, got)
		}
		for code := resultConflict; code < resultNotLeader; code++ {
			if k := resultKind(code); errors.Is(got, k) != errors.Is(want, k) {
				t.Errorf("%v is a %v: %t", got, k, errors.Is(got, k))
			}
		}
	}
	for _, leader := range []string{"", nodeA} {
		var elsewhere NotLeaderError
		err := DecodeResult(encodeResult(0, fmt.Errorf("propose: %w", NotLeaderError{Leader: leader})))
		if !errors.As(err, &elsewhere) || elsewhere.Leader != leader || !errors.Is(err, raft.ErrNotLeader) {
			t.Errorf("%v, want leader %q", err, leader)
		}
	}
	if index, err := ResultIndex(encodeResult(1<<40, nil)); index != 1<<40 || err != nil {
		t.Errorf("%d, %v", index, err)
	}
	long := encodeResult(0, errors.New(strings.Repeat("ä", resultTextMax)))
	if err := DecodeResult(long); err == nil || len(err.Error()) != resultTextMax {
		t.Errorf("a long text: %v", err)
	}
	for _, bad := range [][]byte{nil, {1}, {2, 0, 1}, {1, 99}, {1, 0}, {1, 0, 1, 1}, append(long, 'x')} {
		if err := DecodeResult(bad); !errors.Is(err, ErrResult) || !errors.Is(err, raft.ErrUncertain) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// TestEncodeDecode: random commands come back.
func TestEncodeDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		want := random(r, sample(t)).stamped(7)
		got, err := Decode(Encode(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%#v became %#v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "\x01", "\x02\x01{}", "\x01\x00{}", "\x01\x11{}", "\x01\x0c{\"key\":{\"secret\":1}}", "\x01\x01", "\x01\x01{}{}", "\x01\x01[]", "\x01\x05{\"shard\":1,\"more\":1}", "\x01\x05{\"shard\":-1}"} {
		if c, err := Decode([]byte(bad)); !errors.Is(err, ErrCommand) || c != nil {
			t.Errorf("%q: %v, %v", bad, c, err)
		}
	}
	if _, err := Decode(append(Encode(initial()), make([]byte, CommandMax)...)); !errors.Is(err, ErrCommand) {
		t.Errorf("too long: %v", err)
	}
}

// TestSavedDamage flips every bit and cuts at every place.
func TestSavedDamage(t *testing.T) {
	data, err := encodeSaved(sample(t), samplePosition)
	if err != nil {
		t.Fatal(err)
	}
	state, pos, err := decodeSaved(data)
	if err != nil || !reflect.DeepEqual(pos, samplePosition) {
		t.Fatalf("%+v, %v", pos, err)
	}
	same(t, "saved", state, sample(t))
	for at := range data {
		for bit := range 8 {
			data[at] ^= 1 << bit
			if _, _, err := decodeSaved(data); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("bit %d of byte %d: %v", bit, at, err)
			}
			data[at] ^= 1 << bit
		}
		if _, _, err := decodeSaved(data[:at]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d bytes: %v", at, err)
		}
	}
	if _, err := Open(Config{Store: &memory{data: data[1:]}}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("open: %v", err)
	}
}

// TestSavedChecks: a right checksum does not make a wrong state right.
func TestSavedChecks(t *testing.T) {
	data, err := encodeSaved(sample(t), samplePosition)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data[1 : len(data)-sumBytes])
	for _, change := range [][2]string{
		{`"index":20`, `"index":0`}, {`"index":20`, `"index":3`}, {`"term":2`, `"term":0`}, {`"configuration_index":1`, `"configuration_index":21`},
		{`"cluster":"` + clusterID + `"`, `"cluster":"x"`}, {`"cluster":"` + clusterID + `",`, ``}, {`"state":"draining"`, `"state":"lost"`},
		{`"replicas":1`, `"replicas":2`}, {`"role":"leaving"`, `"role":"joining"`}, {`"role":"joining"`, `"role":"leaving"`}, {`"role":"voter"`, `"role":""`},
		{`"node":"` + nodeB, `"node":"` + nodeA}, {`"node":"` + nodeB, `"node":"ffffffffffffffff`}, {`"number":3,"replicas"`, `"number":2,"replicas"`},
		{`"next":2`, `"next":1`}, {`"name":"node-0b"`, `"name":"node-0a"`}, {`"shards":[1]`, `"shards":[7]`}, {`"shards":[1]`, `"shards":[]`},
		{`"outcome":"running"`, `"outcome":"x"`}, {`"cooldown":5`, `"cooldown":-5`}, {`"version":11`, `"version":21`}, {`"state":{`, `"more":1,"state":{`}, {`}`, `}}`},
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		if changed == text {
			t.Errorf("%s is not in %s", change[0], text)
		}
		if _, _, err := decodeSaved(seal([]byte(changed))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s for %s: %v", change[1], change[0], err)
		}
	}
	if _, _, err := decodeSaved(seal([]byte(text))); err != nil {
		t.Error(err)
	}
}

// Who goes back to a version that does not read what is there is told so, and
// damage is not taken for it.
func TestNewerStateIsRefused(t *testing.T) {
	newer := seal([]byte("what only a later version knows"))
	newer = newer[:len(newer)-4]
	newer[0]++
	newer = binary.LittleEndian.AppendUint32(newer, crc32.Checksum(newer, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := Open(Config{Store: &memory{data: newer}}); !errors.Is(err, ErrNewer) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "version 4, this program reads up to 3") {
		t.Errorf("a newer state: %v", err)
	}
	newer[5] ^= 1
	if _, err := Open(Config{Store: &memory{data: newer}}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged state: %v", err)
	}
}

// seal puts version and checksum around JSON.
func seal(content []byte) []byte {
	b := append([]byte{savedVersion}, content...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// FuzzDecode: what can be decoded stays the same, and what a state accepts
// leaves one that is sound.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		f.Add(Encode(random(r, sample(f))))
	}
	state := sample(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrCommand) {
				t.Fatal(err)
			}
			return
		}
		again, err := Decode(Encode(c))
		if err != nil || !bytes.Equal(Encode(again), Encode(c)) {
			t.Fatalf("%#v became %#v, %v", c, again, err)
		}
		for _, s := range []*State{newState(), state} {
			if next, err := s.Apply(40, c); err == nil {
				follows(t, s, next, c)
			}
		}
	})
}

// FuzzSaved: a saved state that is taken is written the same again, and takes
// commands.
func FuzzSaved(f *testing.F) {
	for _, s := range []*State{sample(f), newState()} {
		data, err := encodeSaved(s, samplePosition)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[1:len(data)-sumBytes], uint64(1))
	}
	f.Fuzz(func(t *testing.T, content []byte, seed uint64) {
		s, pos, err := decodeSaved(seal(content))
		if err != nil {
			return
		}
		data, err := encodeSaved(s, pos)
		if err != nil {
			t.Fatal(err)
		}
		again, at, err := decodeSaved(data)
		if err != nil || !reflect.DeepEqual(at, pos) {
			t.Fatalf("%+v became %+v, %v", pos, at, err)
		}
		same(t, "written again", again, s)
		r := rand.New(rand.NewPCG(seed, 0))
		for range 20 {
			c := random(r, sample(t))
			if next, err := s.Apply(pos.Index+1, c); err == nil {
				follows(t, s, next, c)
			}
		}
	})
}
