package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Tenant has the entries.
const Tenant model.TenantID = "_audit"

// Limits of an entry.
const (
	TextMax  = 512      // bytes of one text
	stateMax = 16 << 10 // bytes of what was before, and of what is after
	headsMax = 64
)

// The outcomes.
const (
	Done    = "done"
	Denied  = "denied" // refused: no credentials, or not the right ones
	Failed  = "failed" // refused for another reason, or it did not come off
	version = 1
)

// Actor is who did something.
type Actor struct {
	Name   string `json:"name,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	Role   string `json:"role,omitempty"`
	Method string `json:"method,omitempty"` // api-key, jwt, none, node
	Key    string `json:"key,omitempty"`    // id of the API key
	Issuer string `json:"issuer,omitempty"`
}

// Entry is something that was done.
type Entry struct {
	V       int             `json:"v"`
	Chain   string          `json:"chain"`
	Seq     uint64          `json:"seq"`  // 1 begins a chain
	Prev    string          `json:"prev"` // hash of the entry before, "" of the first
	Time    int64           `json:"time"` // Unix ns; never goes back in a chain
	Actor   Actor           `json:"actor"`
	From    string          `json:"from,omitempty"` // address
	Action  string          `json:"action"`
	Target  string          `json:"target,omitempty"`
	Tenant  string          `json:"tenant,omitempty"` // whose matter it is
	Outcome string          `json:"outcome"`
	Status  int             `json:"status,omitempty"` // of the answer
	Reason  string          `json:"reason,omitempty"`
	Request string          `json:"request,omitempty"` // id
	Count   int64           `json:"count,omitempty"`   // how often, if more than once
	Until   int64           `json:"until,omitempty"`   // the last of these
	Lost    int64           `json:"lost,omitempty"`    // entries that could not be kept before this one
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Heads   []Head          `json:"heads,omitempty"` // of other chains
}

// Head is the newest entry of a chain.
type Head struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Hash  string `json:"hash"`
}

// clean bounds texts and leaves out what could end a line, or is no text.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.ToValidUTF8(text[:min(len(text), TextMax)], "")
}

// bounded makes an entry one that may be kept.
func (e Entry) bounded() Entry {
	for _, text := range []*string{&e.Actor.Name, &e.Actor.Tenant, &e.Actor.Role, &e.Actor.Method, &e.Actor.Key, &e.Actor.Issuer,
		&e.From, &e.Action, &e.Target, &e.Tenant, &e.Outcome, &e.Reason, &e.Request} {
		*text = clean(*text)
	}
	for _, state := range []*json.RawMessage{&e.Before, &e.After} {
		if !utf8.Valid(*state) { // records have no such text, and hashes are of what they have
			*state = bytes.ToValidUTF8(*state, []byte("?"))
		}
		switch {
		case len(*state) == 0:
			*state = nil
		case len(*state) > stateMax || !json.Valid(*state):
			*state = json.RawMessage(fmt.Sprintf(`{"bytes":%d}`, len(*state)))
		}
	}
	e.Heads = e.Heads[:min(len(e.Heads), headsMax)]
	e.V = version
	return e
}

// State returns a value in the form of Before and After, nil for nil.
func State(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return json.RawMessage(`{}`) // no value of ours does that
	}
	return text
}

// Text returns the form of an entry that is hashed, and its hash.
func (e *Entry) Text() (text []byte, hash string) {
	text, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("encode audit entry: %v", err)) // bounded has made sure
	}
	return text, hashOf(text)
}

func hashOf(text []byte) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "stere audit %d\n", version) // a hash takes everything
	_, _ = h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// message says the entry in a line.
func (e *Entry) message() string {
	who := e.Actor.Name
	if who == "" {
		who = "somebody"
	}
	text := fmt.Sprintf("%s %s by %s", e.Action, e.Outcome, who)
	if e.Target != "" {
		text = fmt.Sprintf("%s %s %s by %s", e.Action, e.Target, e.Outcome, who)
	}
	if e.Count > 1 {
		text += fmt.Sprintf(", %d times", e.Count)
	}
	return text
}

// Fields of the record of an entry; what is in the entry already stands beside it to
// be found.
const (
	FieldAction  = "audit.action"
	FieldActor   = "audit.actor"
	FieldTenant  = "audit.tenant"
	FieldOutcome = "audit.outcome"
	FieldFrom    = "audit.from"
	FieldChain   = "audit.chain"
	FieldSeq     = "audit.seq"
	FieldHash    = "audit.hash"
	FieldEntry   = "audit.entry"
)

// record returns the record of an entry.
func (e *Entry) record(text []byte, hash string) model.Record {
	r := model.Record{Time: e.Time, TimeDigits: 9}
	add := func(name, value string) {
		if value != "" {
			r.Fields = append(r.Fields, model.Field{Name: name, Kind: model.String, Text: value})
		}
	}
	level := "info"
	if e.Outcome != Done {
		level = "warn"
	}
	add(model.FieldMessage, e.message())
	add(model.FieldLevel, level)
	add(model.FieldComponent, "audit")
	add(FieldAction, e.Action)
	add(FieldActor, e.Actor.Name)
	add(FieldTenant, e.Tenant)
	add(FieldOutcome, e.Outcome)
	add(FieldFrom, e.From)
	add(FieldChain, e.Chain)
	r.Fields = append(r.Fields, model.Field{Name: FieldSeq, Kind: model.Number, Text: strconv.FormatUint(e.Seq, 10)})
	add(FieldHash, hash)
	add(FieldEntry, string(text))
	return r
}

// Parse reads the text of an entry, exactly as Text writes it.
func Parse(text string) (Entry, error) {
	var e Entry
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, fmt.Errorf("read audit entry: %w", err)
	}
	if e.V != version {
		return e, fmt.Errorf("read audit entry: version %d, want %d", e.V, version)
	}
	if again, _ := e.Text(); string(again) != text {
		return e, fmt.Errorf("read audit entry: it is not in the form in which it was made")
	}
	return e, nil
}
