package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
)

// modifiers are those that are understood. What comes of a value is a text that a field
// is compared with, or several.
func modifiers() []string {
	return []string{"contains", "startswith", "endswith", "all", "re", "i", "m", "s", "cidr", "exists", "cased", "gt", "gte", "lt", "lte", "windash", "wide", "utf16le", "base64", "base64offset"}
}

// dashes are those that programs of Windows take in front of a parameter.
func dashes() []string { return []string{"-", "/", "–", "—", "―"} }

var parameterDash = regexp.MustCompile(`(^|[\s"'])[-/](\w)`)

// variants returns the values that stand for one, and whether they have to be met in the
// same capitals.
func variants(modifiers []string, v *yaml.Node) (all []*yaml.Node, cased bool, err error) {
	texts := []string{v.Value}
	has := func(m string) bool { return slices.Contains(modifiers, m) }
	if has("windash") {
		texts = nil
		for _, dash := range dashes() {
			texts = append(texts, parameterDash.ReplaceAllString(v.Value, "${1}"+dash+"${2}"))
		}
		texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	}
	encoded := has("base64") || has("base64offset")
	if has("wide") || has("utf16le") {
		if !encoded {
			return nil, false, fault(v, "wide and utf16le are understood with base64 or base64offset only")
		}
		for i, text := range texts {
			texts[i] = inUTF16(text)
		}
	}
	if encoded {
		if strings.ContainsAny(v.Value, "*?") || v.Value == "" {
			return nil, false, fault(v, "a value that is encoded is a text without wildcards")
		}
		var of []string
		for _, text := range texts {
			if has("base64") {
				of = append(of, base64.StdEncoding.EncodeToString([]byte(text)))
			} else {
				of = append(of, withOffsets(text)...)
			}
		}
		texts = of
	}
	for _, text := range texts {
		one := *v
		if one.Value = text; encoded {
			one.Tag = "!!str"
		}
		all = append(all, &one)
	}
	return all, encoded, nil
}

// inUTF16 returns a text in UTF-16, little-endian.
func inUTF16(text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out)
}

// withOffsets returns what a text is in base64 wherever it begins in what was encoded,
// without the digits that its neighbours share.
func withOffsets(text string) (all []string) {
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", before) + text))
		shared := [3]int{0, 2, 3}[before]
		behind := [3]int{0, 3, 2}[(len(text)+before)%3]
		if end := len(encoded) - behind; end > shared {
			all = append(all, encoded[shared:end])
		}
	}
	return all
}
