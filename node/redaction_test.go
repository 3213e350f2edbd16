package node_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/zstd"

	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
	"github.com/stere-log/stere/redact"
)

// knownSecrets are values that no file may hold, in parts so that no scanner of
// repositories takes them for real ones.
func knownSecrets() map[string]string {
	return map[string]string{
		"card":     "4012888888881881",
		"iban":     "DE89370400440532013000",
		"password": "correct-horse-7battery",
		"field":    "fieldpass-91827",
		"github":   "ghp" + "_" + "9bK3cD4eF5gH6iJ7kL8mN9oP0qR1sT2uV3wX",
		"aws":      "AKIA" + "QWERTYUIOP234567",
		"url":      "urlpass-55021x",
		"bearer":   "f3a9c0d1e2b34455aa77",
		"nested":   "nestedpass-33x",
		"name":     "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
		"bulk":     "bulkpass-123zz",
		"line":     "linepass-456yy",
		"garbage":  "garbagepass-789",
		"number":   "5555555555554444",
	}
}

// sendSecrets sends the secrets in every way in and returns all that was
// answered.
func sendSecrets(t *testing.T, url string) string {
	t.Helper()
	k := knownSecrets()
	var answers strings.Builder
	post := func(path, contentType, key, body string) {
		req, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		if key != "" {
			req.Header.Set("Idempotency-Key", key)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode >= 300 {
			t.Errorf("POST %s: %d %s", path, answer.StatusCode, text)
		}
		answers.Write(text)
	}
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `{"message":"%d paid with %s to %s, password=%s","level":"info","metadata":{"password":"%s","n":%d,"pan":%s}}`+"\n", i, k["card"], k["iban"], k["password"], k["field"], i, k["number"])
		fmt.Fprintf(&many, `{"message":"%d push %s as %s to postgres://u:%s@db/x","headers":{"authorization":"Bearer %s"},"list":[{"password":"%s"}],"%s":1}`+"\n", i, k["github"], k["aws"], k["url"], k["bearer"], k["nested"], k["name"])
	}
	post("/logs", "application/json", "", many.String())
	post("/logs", "application/json", "a key", `{"message":"password=`+k["password"]+`"}`)
	post("/logs", "application/json", "a key", `{"message":"password=`+k["password"]+`"}`)
	post("/logs", "text/plain", "", "one\nlogin password="+k["line"]+"\n")
	post("/logs", "application/json", "", `{"message":"x"}`+"\npassword="+k["garbage"]+" is no JSON\n")
	post("/_bulk", "application/x-ndjson", "", `{"create":{"_index":"app","_id":"1"}}`+"\n"+`{"message":"pwd=`+k["bulk"]+`"}`+"\n")
	return answers.String()
}

// secretsIn returns which secrets are in a file system: in the bytes of its
// files and in what can be unpacked of them.
func secretsIn(t *testing.T, fs vfs.FS, dir string, found map[string]string) {
	t.Helper()
	eachFile(t, fs, dir, func(path string, part []byte) {
		for what, secret := range knownSecrets() {
			if bytes.Contains(part, []byte(secret)) {
				found[what] = path
			}
		}
	})
}

// eachFile shows the bytes of every file below a folder, as they are and what can be
// decompressed of them.
func eachFile(t *testing.T, fs vfs.FS, dir string, look func(path string, part []byte)) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			continue // gone meanwhile
		}
		if info.IsDir() {
			eachFile(t, fs, path, look)
			continue
		}
		file, err := fs.Open(path)
		if err != nil {
			continue
		}
		text := make([]byte, info.Size())
		n, err := file.ReadAt(text, 0)
		_ = file.Close() // only read
		if err != nil && err != io.EOF {
			t.Fatalf("read %s: %v", path, err)
		}
		for _, part := range append(unpacked(t, text[:n]), text[:n]) {
			look(path, part)
		}
	}
}

// unpacked returns what can be decompressed of a file, wherever it begins.
func unpacked(t *testing.T, text []byte) (parts [][]byte) {
	t.Helper()
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	for at := 0; ; {
		i := bytes.Index(text[at:], magic)
		if i < 0 {
			return parts
		}
		at += i
		reader, err := zstd.NewReader(bytes.NewReader(text[at:]), zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true))
		if err != nil {
			t.Fatal(err)
		}
		var part bytes.Buffer
		_, _ = io.Copy(&part, io.LimitReader(reader, 64<<20)) // other bytes follow the frame
		reader.Close()
		parts = append(parts, part.Bytes())
		at += len(magic)
	}
}

// everything returns all records of a node.
func everything(t *testing.T, url string) string {
	t.Helper()
	return fetched(t, url+"/logs/export?query=*&format=ndjson&from=2000-01-01T00:00:00Z")
}

// fetched returns what is answered to a question.
func fetched(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("get: %d %s %v", answer.StatusCode, text, err)
	}
	return string(text)
}

// TestNothingOfASecretIsWritten sends known secrets in every way in and looks
// for them in the bytes of all files: in the log before sealing, in segments,
// after a merge, after a kill and a replay; and in all records.
func TestNothingOfASecretIsWritten(t *testing.T) {
	found := lookForSecrets(t, redact.Config{}, nil)
	for what, where := range found {
		t.Errorf("the secret %s is in %s", what, where)
	}
}

// TestSecretsAreFoundWithoutRedaction checks that the test above would find
// them.
func TestSecretsAreFoundWithoutRedaction(t *testing.T) {
	found := lookForSecrets(t, redact.Config{Disabled: true}, nil)
	for what := range knownSecrets() {
		if found[what] == "" {
			t.Errorf("the secret %s is nowhere although nothing was redacted", what)
		}
	}
}

// TestNothingIsOnTheDisk looks for the same values where nothing is redacted and
// everything is encrypted. TestSecretsAreFoundWithoutRedaction shows that it would find them.
func TestNothingIsOnTheDisk(t *testing.T) {
	masters, err := encryption.ParseMasters([]byte(encryption.NewMaster()), "test")
	if err != nil {
		t.Fatal(err)
	}
	found := lookForSecrets(t, redact.Config{Disabled: true}, func() (*encryption.Masters, error) { return masters, nil })
	for what, where := range found {
		if where != "an answer" && where != "a record" {
			t.Errorf("the value %s is in %s", what, where)
		}
	}
	if len(found) == 0 {
		t.Error("no record came back")
	}
}

func lookForSecrets(t *testing.T, redaction redact.Config, keys func() (*encryption.Masters, error)) map[string]string {
	found := map[string]string{}
	note := func(where, text string) {
		for what, secret := range knownSecrets() {
			if found[what] == "" && strings.Contains(text, secret) {
				found[what] = where
			}
		}
	}
	fs := vfs.NewCrashableMem() // what is not synced is lost when it is cloned
	cfg := node.Config{FS: fs, Redaction: redaction, EncryptionKeys: keys}
	first := nodetest.Start(t, cfg)
	note("an answer", sendSecrets(t, first.URL))
	secretsIn(t, fs, "", found) // the log, nothing is sealed yet
	if metrics := fetched(t, first.URL+"/metrics?format=prometheus"); !redaction.Disabled && !strings.Contains(metrics, "\nstere_redaction_findings_total{detector=\"iban\"} 300\n") {
		t.Errorf("the metrics do not say that 300 IBANs were found: %s", metrics)
	}
	flush := func(url string) {
		answer, err := http.Post(url+"/admin/flush", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("flush: %d", answer.StatusCode)
		}
	}
	flush(first.URL)
	sendSecrets(t, first.URL)
	flush(first.URL) // merges what the first one sealed
	sendSecrets(t, first.URL)
	secretsIn(t, fs, "", found)
	after := fs.CrashClone(vfs.CrashCloneCfg{}) // killed: what was not synced is lost
	first.Stop()
	cfg.FS = after
	second := nodetest.Start(t, cfg)
	records := everything(t, second.URL)
	// Of each of three rounds 600 records, two lines and one; what has a key or
	// an id once.
	if n := strings.Count(records, "\n"); n != 3*(600+2+1)+2 {
		t.Errorf("%d records came back", n)
	}
	note("a record", records)
	secretsIn(t, after, "", found)
	if !redaction.Disabled && (!strings.Contains(records, "[redacted:card:*1881]") || !strings.Contains(records, "[redacted:stripe-key]")) {
		t.Errorf("markers are missing: %.2000s", records)
	}
	return found
}
