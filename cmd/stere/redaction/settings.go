package redaction

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/stere-log/stere/redact"
	"go.yaml.in/yaml/v3"
)

// Texts are the settings of redaction as they are written.
type Texts struct {
	Mode      string // on, personal, off
	Actions   string // detector=action, between commas
	Fields    string // field=action, between commas
	RulesFile string
	KeyFile   string
}

// Settings turns texts into a configuration. Its error lists all faults.
func Settings(t Texts) (redact.Config, error) {
	cfg := redact.Config{Disabled: t.Mode == "off"}
	if t.Mode == "personal" {
		cfg.Set = redact.Personal
	}
	actions, err := pairs(t.Actions)
	faults := []error{err}
	if len(actions) > 0 {
		cfg.Actions = map[string]redact.Action{}
	}
	for _, p := range actions {
		cfg.Actions[p.name] = p.action
	}
	fields, err := pairs(t.Fields)
	faults = append(faults, err)
	for _, p := range fields {
		cfg.Fields = append(cfg.Fields, redact.FieldRule{Pattern: p.name, Action: p.action})
	}
	if t.RulesFile != "" {
		cfg.Rules, err = readRules(t.RulesFile)
		faults = append(faults, err)
	}
	if t.KeyFile != "" {
		cfg.Key, err = readKey(t.KeyFile)
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return redact.Config{}, err
	}
	return cfg, cfg.Validate()
}

// ArePairs checks a list of names and actions.
func ArePairs(text string) error {
	_, err := pairs(text)
	return err
}

// pair is a name and what to do.
type pair struct {
	name   string
	action redact.Action
}

// pairs reads name=action, between commas.
func pairs(text string) (out []pair, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		i := strings.LastIndexByte(part, '=')
		if i < 1 {
			return nil, fmt.Errorf("%q: want name=action", part)
		}
		action, ok := redact.ParseAction(strings.TrimSpace(part[i+1:]))
		if !ok {
			return nil, fmt.Errorf("%q: there is no action %q, want mask, partial, hash, remove or off", part, part[i+1:])
		}
		out = append(out, pair{strings.TrimSpace(part[:i]), action})
	}
	return out, nil
}

// rulesBytesMax bounds the file of rules, keyBytesMax that of the key.
const (
	rulesBytesMax = 1 << 20
	keyBytesMax   = 4096
)

// readRules reads a YAML list of rules.
func readRules(path string) ([]redact.Rule, error) {
	text, err := readFile(path, rulesBytesMax)
	if err != nil {
		return nil, fmt.Errorf("read redaction rules: %w", err)
	}
	var list []struct {
		Name    string `yaml:"name"`
		Pattern string `yaml:"pattern"`
		Group   int    `yaml:"group"`
		Action  string `yaml:"action"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("read redaction rules of %s: %w", path, err)
	}
	rules := make([]redact.Rule, len(list))
	for i, one := range list {
		rules[i] = redact.Rule{Name: one.Name, Pattern: one.Pattern, Group: one.Group}
		if one.Action == "" {
			continue
		}
		action, ok := redact.ParseAction(one.Action)
		if !ok {
			return nil, fmt.Errorf("read redaction rules of %s: rule %d: there is no action %q", path, i+1, one.Action)
		}
		rules[i].Action = action
	}
	return rules, nil
}

// readKey reads the key that tokens are made with.
func readKey(path string) ([]byte, error) {
	text, err := readFile(path, keyBytesMax)
	if err != nil {
		return nil, fmt.Errorf("read redaction key: %w", err)
	}
	key := bytes.TrimSpace(text)
	if len(key) < redact.KeyBytesMin {
		return nil, fmt.Errorf("read redaction key: %s has %d bytes, want at least %d", path, len(key), redact.KeyBytesMin)
	}
	return key, nil
}

func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), most)
	}
	return os.ReadFile(path)
}
