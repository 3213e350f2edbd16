package link

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPreambleComesBack(t *testing.T) {
	for _, p := range []preamble{
		{kind: kindGroup, sender: "a", receiver: "b", group: 0xFFFFFFF0},
		{kind: kindHTTP, cluster: "c", sender: strings.Repeat("a", NodeIDMax), receiver: strings.Repeat("b", NodeIDMax)},
	} {
		r := bytes.NewReader(append(p.append(nil), "what follows"...))
		f, err := readFrame(r, preambleMagic)
		if err != nil {
			t.Fatal(err)
		}
		f.body = append(f.body, "what a later version adds"...)
		if got, err := parsePreamble(f); err != nil || got != p {
			t.Errorf("have %+v, %v, want %+v", got, err, p)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "what follows" {
			t.Errorf("%q is left", rest)
		}
	}
}

func TestAnswersMeanErrors(t *testing.T) {
	seen := map[string]bool{}
	for c := codeOK; c <= codeSpeaksPlain+1; c++ {
		f, err := readFrame(bytes.NewReader(appendAnswer(nil, c, strings.Repeat("because\n", 100))), answerMagic)
		if err != nil {
			t.Fatal(err)
		}
		err = answerError(f)
		if (err == nil) != (c == codeOK) {
			t.Errorf("code %d means %v", c, err)
		}
		if err != nil && (seen[err.Error()] || len(err.Error()) > 700 || strings.Contains(err.Error(), "\n")) {
			t.Errorf("code %d means %v", c, err)
		}
		if err != nil {
			seen[err.Error()] = true
		}
	}
}

func FuzzPreamble(f *testing.F) {
	f.Add(preamble{kind: kindGroup, cluster: "c", sender: "a", receiver: "b", group: 1}.append(nil))
	f.Add(appendAnswer(nil, codeBusy, "why"))
	f.Add([]byte("Strp\x01\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if f, err := readFrame(bytes.NewReader(b), answerMagic); err == nil {
			_ = answerError(f)
		}
		r := bytes.NewReader(b)
		f, err := readFrame(r, preambleMagic)
		if err != nil {
			return
		}
		if len(b)-r.Len() != frameHead+len(f.body) {
			t.Fatal("more was read than the frame")
		}
		p, err := parsePreamble(f)
		if err != nil {
			if !errors.Is(err, ErrPreamble) {
				t.Fatal(err)
			}
			return
		}
		again, err := readFrame(bytes.NewReader(p.append(nil)), preambleMagic)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := parsePreamble(again); err != nil || q != p {
			t.Fatalf("have %+v, %v, want %+v", q, err, p)
		}
	})
}
