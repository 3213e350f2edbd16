package access

import (
	"errors"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	for _, host := range strings.Fields("a example.com xn--bcher-kva.example a-b.c 1.example localhost") {
		if !ValidHost(host) {
			t.Errorf("%q is refused", host)
		}
	}
	for _, host := range []string{"", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a_b", "a b", "a/b", "a:80", "10.0.0.1", "[::1]", "é.example", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"} {
		if ValidHost(host) {
			t.Errorf("%q is taken", host)
		}
	}
}

func TestContacts(t *testing.T) {
	for text, want := range map[string]bool{"a@b.example": true, "a.b+c@example.com": true, "a": false, "@b": false, "a@": false, "a@@b": false, "a b@c": false, "a\r\nBcc: x@c": false, "<a@b>": false} {
		if ValidContact(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

func TestNetworks(t *testing.T) {
	for text, want := range map[string]string{"10.1.2.3/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "2001:db8::1": "2001:db8::1/128", "::ffff:10.1.2.3": "10.1.2.3/32", "x": "", "10.0.0.0/33": "", "fe80::1%eth0": "", "::ffff:10.0.0.0/104": ""} {
		got, err := ParseNetwork(text)
		if want == "" != (err != nil) || err == nil && got.String() != want || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is %v, %v, want %q", text, got, err, want)
		}
	}
}

// TestTerms holds the plans to what they promise and mixes them with own terms.
func TestTerms(t *testing.T) {
	n := func(n int64) *int64 { return &n }
	on, off := true, false
	a := Account{Plan: Standard, Terms: Terms{LogsPerDay: n(5), Analytics: &off, Alerts: Alerts{CriticalCount: n(3)}}}
	all := a.All()
	if *all.LogsPerDay != 5 || *all.RetentionDays != 30 || *all.Analytics || !*all.Integrations || *all.Alerts.CriticalCount != 3 || *all.Alerts.ErrorRate != 5 {
		t.Errorf("the terms of the account are %+v", all)
	}
	if *TermsOf(Standard).LogsPerDay != 100_000 {
		t.Error("the plan has changed")
	}
	for _, plan := range Plans() {
		if err := TermsOf(plan).Check(); err != nil {
			t.Errorf("%s: %v", plan, err)
		}
	}
	for want, terms := range map[string]Terms{
		"": {LogsPerDay: n(99_999), Analytics: &off, Alerts: Alerts{ErrorRate: new(float64)}}, "maxLogsPerDay": {LogsPerDay: n(100_001)}, "enableAdvancedFeatures": {AdvancedFeatures: &on},
	} {
		if got := terms.Raises(TermsOf(Standard)); got != want {
			t.Errorf("%+v raises %q, want %q", terms, got, want)
		}
	}
	if (Terms{LogsPerDay: n(-1)}).Check() == nil {
		t.Error("a negative term is taken")
	}
}
