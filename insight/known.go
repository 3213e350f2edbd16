package insight

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Deploy says that something was put into service.
type Deploy struct {
	ID          string    `json:"id"`
	Service     string    `json:"service"` // as the component of its records
	Version     string    `json:"version,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Note        string    `json:"note,omitempty"`
	Time        time.Time `json:"time"`
	By          string    `json:"by,omitempty"`
}

// Limits of a deployment.
const (
	deployTextMax = 128
	deployNoteMax = 1_000
	deployAhead   = 5 * time.Minute // that a clock may be wrong
)

// Check says what is wrong with a deployment.
func (d *Deploy) Check(now time.Time) error {
	for _, text := range [...]struct {
		name, text string
		least      int
		most       int
	}{{"service", d.Service, 1, deployTextMax}, {"version", d.Version, 0, deployTextMax}, {"environment", d.Environment, 0, deployTextMax}, {"note", d.Note, 0, deployNoteMax}} {
		if n := len(text.text); n < text.least || n > text.most || !utf8.ValidString(text.text) || slices.ContainsFunc([]rune(text.text), unicode.IsControl) {
			return fmt.Errorf("%s has %d bytes, want %d to %d of UTF-8 without control characters", text.name, n, text.least, text.most)
		}
	}
	if d.Time.Year() < 2000 || d.Time.After(now.Add(deployAhead)) {
		return fmt.Errorf("time is %s, want one that is over, after 2000", d.Time.Format(time.RFC3339))
	}
	return nil
}

// what names a deployment in explanations.
func (d *Deploy) what() string {
	return strings.Join(slices.DeleteFunc([]string{d.Service, d.Version, d.Environment}, func(text string) bool { return text == "" }), " ")
}

// Known is what is known of a tenant besides its records. It is safe for concurrent use.
type Known interface {
	// Deploys returns what was put into service, the newest first.
	Deploys(tenant model.TenantID) []Deploy
}

// Knowing returns a service that knows more.
func (s *Service) Knowing(known Known) *Service {
	other := *s
	other.known = known
	return &other
}
