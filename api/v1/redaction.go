package v1

import "time"

// RedactionRules are what a tenant adds to what the platform redacts.
type RedactionRules struct {
	Set     string            `json:"set,omitempty"` // standard or personal besides; nothing
	Actions map[string]string `json:"actions,omitempty"`
	Fields  []RedactionField  `json:"fields,omitempty"`
	Rules   []RedactionRule   `json:"rules,omitempty"`
}

// RedactionField is a rule for fields by their name.
type RedactionField struct {
	Field  string `json:"field"`
	Action string `json:"action,omitempty"`
}

// RedactionRule is a detector of one's own.
type RedactionRule struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern"`
	Group   int    `json:"group,omitempty"`
	Action  string `json:"action,omitempty"`
}

// Redaction is what GET /admin/tenants/{tenant}/redaction answers.
type Redaction struct {
	Tenant string `json:"tenant"`
	RedactionRules
	MayBeWeaker bool              `json:"mayBeWeaker"` // than what the platform does
	By          string            `json:"by,omitempty"`
	Changed     *time.Time        `json:"changedAt,omitempty"` // absent: there are no rules
	Effective   map[string]string `json:"effective"`           // what is done, by detector
}

// RedactionRequest is the body of PUT /admin/tenants/{tenant}/redaction.
type RedactionRequest struct {
	RedactionRules
	MayBeWeaker *bool `json:"mayBeWeaker,omitempty"` // absent: as it was
}
