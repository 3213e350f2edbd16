package insight_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/syntax"
)

// earth says where two networks are.
type earth struct{}

// Version implements derived.Places.
func (earth) Version() string { return "1" }

// Place implements derived.Places.
func (earth) Place(address string) meaning.Place {
	switch {
	case strings.HasPrefix(address, "81."):
		return meaning.Place{City: "Berlin", Latitude: "52.5", Longitude: "13.4"}
	case strings.HasPrefix(address, "133."):
		return meaning.Place{City: "Tokyo", Latitude: "35.7", Longitude: "139.7"}
	}
	return meaning.Place{}
}

// TestFindings puts into two weeks of a system what is to be found, and looks whether it
// alone is found, with a query and examples that show it.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		want, about string
		most        int // findings that are there
		add         func(*source)
	}{
		{"", "", 0, func(*source) {}},
		{"new", "", 1, func(s *source) {
			s.add(2*time.Hour, 12, "level", "error", "component", "web", "message", "no route to host # found")
		}},
		{"spike", "", 1, func(s *source) {
			s.add(3*time.Hour, 900, "level", "info", "component", "db", "message", "checkpoint # done")
		}},
		{"latency_shift", "/login", 2, func(s *source) {
			for hour := range 6 {
				s.add(time.Duration(2+hour)*time.Hour, 60, "level", "info", "component", "web", "endpoint", "/login", "duration", "450", "message", "GET /login took # ms")
			}
		}},
		{"brute_force", "10.9.9.9", 1, func(s *source) {
			s.add(2*time.Hour, 14, "level", "info", "component", "sshd", "message", "Failed password for root from 10.9.9.9 port 4#2 ssh2")
		}},
		{"brute_force", "10.9.9.8", 1, func(s *source) {
			s.add(2*time.Hour, 14, "level", "info", "component", "portal", "userId", "eve", "ip", "10.9.9.8", "message", "login failed, try #")
		}},
		{"password_spraying", "10.9.9.7", 1, func(s *source) {
			s.add(2*time.Hour, 14, "level", "warn", "component", "cowrie", "metadata.client_ip", "10.9.9.7", "message", "login attempt [user#/secret] failed")
		}},
		{"account_takeover", "10.9.9.6", 1, func(s *source) {
			s.add(2*time.Hour, 7, "component", "sshd", "message", "Failed password for bob from 10.9.9.6 port 4#2 ssh2")
			s.add(2*time.Hour-10*time.Minute, 1, "component", "sshd", "message", "Accepted password for bob from 10.9.9.6 port 5#2 ssh2")
		}},
		{"path_scan", "10.9.9.5", 1, func(s *source) {
			s.add(2*time.Hour, 40, "component", "nginx", "message", `10.9.9.5 - - [15/May/2024:10:00:00 +0000] "GET /old#.php HTTP/1.1" 404 153 "-" "curl"`)
		}},
		{"port_scan", "10.9.9.4", 1, func(s *source) {
			s.add(2*time.Hour, 40, "component", "kernel", "message", "[UFW BLOCK] IN=eth0 OUT= SRC=10.9.9.4 DST=10.0.0.5 LEN=44 PROTO=TCP SPT=40000 DPT=1# SYN")
		}},
		{"privilege_change", "mallory", 1, func(s *source) {
			s.add(2*time.Hour, 1, "component", "usermod", "message", "add 'mallory' to group 'sudo'")
		}},
		{"impossible_travel", "133.1.2.3", 1, func(s *source) {
			s.add(4*time.Hour, 1, "component", "sshd", "message", "Accepted publickey for boss from 81.1.2.3 port 4#2 ssh2")
			s.add(3*time.Hour, 1, "component", "sshd", "message", "Accepted publickey for boss from 133.1.2.3 port 4#2 ssh2")
		}},
		{"impossible_travel", "133.1.2.4", 1, func(s *source) {
			s.add(4*time.Hour, 1, "component", "portal", "userId", "boss", "ip", "133.1.2.4", "message", "login succeeded")
			s.add(4*time.Hour, 1, "component", "portal", "userId", "boss", "geo.lat", "52.5", "geo.lon", "13.4", "message", "login succeeded")
		}},
		{"", "", 0, func(s *source) { // a flight, and an address of which nobody knows where it is
			s.add(20*time.Hour, 1, "component", "sshd", "message", "Accepted publickey for boss from 81.1.2.3 port 4#2 ssh2")
			s.add(8*time.Hour, 1, "component", "sshd", "message", "Accepted publickey for boss from 133.1.2.3 port 4#2 ssh2")
			s.add(7*time.Hour, 1, "component", "sshd", "message", "Accepted publickey for boss from 9.1.2.3 port 4#2 ssh2")
			s.add(7*time.Hour, 1, "component", "sshd", "message", "Accepted publickey for boss from 10.1.2.3 port 4#2 ssh2")
			s.add(7*time.Hour, 1, "component", "sshd", "message", "Failed publickey for boss from 81.1.2.3 port 4#2 ssh2")
		}},
	} {
		s := ordinary()
		s.places = func() derived.Places { return earth{} }
		c.add(s)
		have, err := s.service(t).Findings(t.Context(), scope())
		if err != nil || !have.Complete || have.Learning.Learning {
			t.Fatalf("%s: %v, %+v", c.want, err, have)
		}
		found := false
		for _, f := range have.Findings {
			found = found || f.Type == c.want && (c.about == "" || f.Subject.Name == c.about)
			if query, err := syntax.Parse(f.Query); err != nil || len(query.Pipes) > 0 {
				t.Errorf("%s: the query %q of %s cannot be asked: %v", c.want, f.Query, f.Type, err)
			}
			if !strings.HasPrefix(f.ID, f.Type+"-") || f.Explanation == "" || len(f.Examples) == 0 {
				t.Errorf("%s: %+v", c.want, f)
			}
		}
		have.Findings = slices.DeleteFunc(have.Findings, func(f insight.Finding) bool { return f.Severity == insight.Low })
		if found != (c.want != "") || len(have.Findings) > c.most {
			t.Errorf("want %q, have %v", c.want, texts(have.Findings))
		}
	}
}

// texts are what findings say.
func texts(found []insight.Finding) (all []string) {
	for _, f := range found {
		all = append(all, fmt.Sprintf("%s %s: %s", f.Severity, f.Type, f.Explanation))
	}
	return all
}

// TestFindingsLearn checks that a system that has just begun is not judged.
func TestFindingsLearn(t *testing.T) {
	s := &source{}
	for hour := range 10 {
		s.add(time.Duration(hour)*time.Hour, 20, "component", "db", "message", "checkpoint # done")
	}
	s.add(time.Hour, 900, "component", "db", "message", "checkpoint # done")
	have, err := s.service(t).Findings(t.Context(), scope())
	if err != nil || !have.Learning.Learning || have.Learning.Until == nil || len(have.Findings) > 0 {
		t.Errorf("%v, %+v, %v", err, have.Learning, texts(have.Findings))
	}
}

// verdicts is an insight.Judge in memory.
type verdicts []insight.Verdict

func (v *verdicts) Verdicts(model.TenantID) []insight.Verdict        { return *v }
func (v *verdicts) Tenants() []model.TenantID                        { return []model.TenantID{model.DefaultTenant} }
func (v *verdicts) Model(model.TenantID) (*classifier.Model, string) { return nil, "" }
func (v *verdicts) Give(_ context.Context, _ model.TenantID, verdict insight.Verdict) error {
	*v = append(*v, verdict)
	return nil
}

// TestFeedback mutes what was found, for a time and for good, and counts how often a
// rule was right.
func TestFeedback(t *testing.T) {
	s := ordinary()
	s.add(2*time.Hour, 14, "component", "sshd", "message", "Failed password for root from 10.9.9.9 port 4#2 ssh2")
	s.add(2*time.Hour, 14, "component", "sshd", "message", "Failed password for root from 10.9.9.8 port 4#2 ssh2")
	var judge verdicts
	service := insight.New(s.engine(t), &judge, func() time.Time { return now })
	ask := func() (ids []string, muted int) {
		have, err := service.Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range have.Insights {
			if one.Type == "potential_brute_force" {
				ids = append(ids, one.ID)
			}
		}
		return ids, have.Muted
	}
	ids, muted := ask()
	if len(ids) != 2 || muted != 0 || ids[0] == ids[1] {
		t.Fatalf("have %v, %d muted", ids, muted)
	}
	past := now.Add(-time.Hour)
	for _, c := range []struct {
		verdict insight.Verdict
		left    int
	}{
		{insight.Verdict{Finding: ids[0], Verdict: insight.TruePositive}, 2},
		{insight.Verdict{Finding: ids[1], Verdict: insight.FalsePositive, Muted: insight.MuteFinding, Until: &past}, 2},
		{insight.Verdict{Finding: ids[1], Muted: insight.MuteFinding}, 1},
		{insight.Verdict{Finding: ids[1], Muted: insight.MuteRule}, 0},
	} {
		if err := c.verdict.Check(); err != nil {
			t.Fatal(err)
		}
		_ = judge.Give(t.Context(), model.DefaultTenant, c.verdict)
		if left, muted := ask(); len(left) != c.left || muted != 2-c.left {
			t.Errorf("%+v: %v are left, %d muted", c.verdict, left, muted)
		}
	}
	precision := insight.Precisions(judge)
	if len(precision) != 1 || precision[0].Rule != "brute_force" || precision[0].Precision == nil || *precision[0].Precision != 0.5 || precision[0].Muted != 3 {
		t.Errorf("%+v", precision)
	}
	for _, wrong := range []insight.Verdict{{Finding: "x"}, {Finding: ids[0], Verdict: "maybe"}, {Finding: ids[0], Muted: "all"}, {Finding: ids[0], Until: &past}, {Finding: ids[0], Label: strings.Repeat("x", 200)}} {
		var fault *insight.ParamError
		if err := wrong.Check(); !errors.As(err, &fault) {
			t.Errorf("%+v: have %v", wrong, err)
		}
	}
}

// TestChanges compares a day with the day before.
func TestChanges(t *testing.T) {
	s := ordinary()
	s.add(5*time.Hour, 200, "level", "warn", "component", "cache", "message", "evicted # entries")
	s.add(40*time.Hour, 150, "level", "info", "component", "mail", "message", "sent #")
	have, err := s.service(t).Changes(t.Context(), insight.ChangesRequest{Scope: scope()})
	if err != nil || !have.Complete {
		t.Fatalf("%v, %+v", err, have)
	}
	want := map[string]string{"component cache": "appeared", "component mail": "disappeared", "pattern evicted * entries": "appeared", "pattern sent *": "disappeared", "level warn": "appeared"}
	for _, c := range have.Changes {
		name := c.Field + " " + c.Value
		if kind, expected := want[name]; expected && kind != c.Kind {
			t.Errorf("%s: have %s, want %s", name, c.Kind, kind)
		}
		delete(want, name)
		if query, err := syntax.Parse(c.Query); err != nil || len(query.Pipes) > 0 || c.Explanation == "" {
			t.Errorf("%s: the query %q cannot be asked: %v", name, c.Query, err)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing %v of %+v", want, have.Changes)
	}
	same, err := ordinary().service(t).Changes(t.Context(), insight.ChangesRequest{Scope: scope()})
	if err != nil || len(same.Changes) > 0 {
		t.Errorf("%v: two equal days differ: %+v", err, same.Changes)
	}
}

// TestForecast checks that what is told of a steady system is what it does.
func TestForecast(t *testing.T) {
	have, err := ordinary().service(t).Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
	if err != nil || len(have.Forecast) != 3 {
		t.Fatalf("%v, %+v", err, have.Forecast)
	}
	if f := have.Forecast[0]; !f.Enough || *f.Low > 728 || *f.High < 728 || *f.BacktestError > 10 || f.Backtests < 2 {
		t.Errorf("a day has 728 records; the forecast is %+v", f)
	}
}

// TestForecastWithoutHistory checks that nothing is told where nothing is known.
func TestForecastWithoutHistory(t *testing.T) {
	s := &source{}
	s.add(2*time.Hour, 400, "level", "info", "component", "db", "message", "checkpoint # done")
	have, err := s.service(t).Insights(t.Context(), insight.InsightsRequest{Scope: scope()})
	if err != nil || len(have.Forecast) != 3 {
		t.Fatalf("%v, %+v", err, have.Forecast)
	}
	for _, f := range have.Forecast {
		if f.Enough || f.Expected != nil || f.Low != nil || f.High != nil || f.BacktestError != nil {
			t.Errorf("%s is told of two hours: %+v", f.Metric, f)
		}
	}
}

// deploys are insight.Known.
type deploys []insight.Deploy

// Deploys implements insight.Known.
func (d deploys) Deploys(tenant model.TenantID) []insight.Deploy {
	if tenant != model.DefaultTenant {
		return nil
	}
	return d
}

// Resources implements insight.Known.
func (deploys) Resources(context.Context, model.TenantID, bool) ([]insight.Resource, error) {
	return nil, nil
}

// TestDeployIsNamed checks that what begins after a deployment that somebody told of says
// so, and that new messages of a new version are no finding.
func TestDeployIsNamed(t *testing.T) {
	for _, c := range []struct {
		ago  time.Duration
		news bool // are told
		want string
	}{{3*time.Hour + 10*time.Minute, false, "web 1.2 production"}, {9 * time.Hour, true, ""}} {
		s := ordinary()
		s.add(3*time.Hour, 900, "level", "info", "component", "db", "message", "checkpoint # done")
		s.add(3*time.Hour, 60, "level", "info", "component", "web", "message", "greetings of version two to guest #")
		service := s.service(t).Knowing(deploys{{Service: "web", Version: "1.2", Environment: "production", Time: now.Add(-c.ago)}})
		have, err := service.Findings(t.Context(), scope())
		if err != nil {
			t.Fatal(err)
		}
		spikes, news := 0, false
		for _, f := range have.Findings {
			if f.Type == "spike" {
				spikes++
				if named := f.Deploy != nil && f.Deploy.What == c.want; named != (c.want != "") || strings.Contains(f.Explanation, "deployment of web") != named {
					t.Errorf("%s before: %+v: %s", c.ago, f.Deploy, f.Explanation)
				}
			}
			news = news || f.Type == "new"
		}
		if spikes == 0 || news != c.news {
			t.Errorf("%s before: %d spikes, new %t: %v", c.ago, spikes, news, texts(have.Findings))
		}
	}
}

// resources are insight.Known.
type resources struct {
	deploys
	all []insight.Resource
	err error
}

// Resources implements insight.Known.
func (r resources) Resources(_ context.Context, tenant model.TenantID, disks bool) ([]insight.Resource, error) {
	if tenant != model.DefaultTenant {
		return nil, errors.New("another tenant")
	}
	return slices.DeleteFunc(slices.Clone(r.all), func(one insight.Resource) bool { return one.Kind == insight.DiskResource && !disks }), r.err
}

// TestCapacity tells when resources come to their limits, and says so in time.
func TestCapacity(t *testing.T) {
	line := func(days int, from, by float64) (used []float64) {
		for i := range days {
			used = append(used, from+by*float64(i))
		}
		return used
	}
	known := resources{all: []insight.Resource{
		{Kind: insight.DiskResource, Name: "a", Unit: "bytes", Used: line(20, 500e9, 10e9), Limit: 790e9},
		{Kind: insight.DiskResource, Name: "b", Unit: "bytes", Used: line(20, 500e9, 1e9), Limit: 9_000e9},
		{Kind: insight.DiskResource, Name: "c", Unit: "bytes", Used: line(3, 500e9, 1e9), Limit: 501e9},
		{Kind: insight.QuotaResource, Name: "maxStorageBytes", Unit: "bytes", Used: line(9, 990_000, 2_000), Limit: 1_000_000},
		{Kind: insight.QuotaResource, Name: "maxLogsPerDay", Unit: "records a day", Daily: true, Used: line(30, 70, 1), Limit: 101},
	}}
	ask := func(known resources, disks bool, restriction string) *insight.Insights {
		t.Helper()
		request := insight.InsightsRequest{Scope: scope(), Disks: disks}
		request.Restriction = restriction
		have, err := ordinary().service(t).Knowing(known).Insights(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return have
	}
	have := ask(known, true, "")
	var told []string
	for _, c := range have.Capacity {
		text := c.Name + " none"
		if c.Days != nil {
			text = fmt.Sprint(c.Name, " ", *c.Days)
		}
		if c.Used == nil || !c.Enough != (c.Name == "c") {
			t.Errorf("%+v", c)
		}
		told = append(told, text)
	}
	if want := []string{"a 10", "b none", "c none", "maxStorageBytes 0", "maxLogsPerDay 2"}; !slices.Equal(told, want) {
		t.Errorf("have %v, want %v", told, want)
	}
	var found []string
	for _, one := range have.Insights {
		if strings.HasSuffix(one.Type, "_predicted") {
			found = append(found, one.Severity+" "+one.Type+" "+one.Pattern)
			if one.ID == "" || strings.Contains(one.Message, "%!") || strings.Contains(one.Message, "e+") {
				t.Errorf("%+v", one)
			}
		}
	}
	if want := []string{"critical quota_predicted maxStorageBytes", "high quota_predicted maxLogsPerDay", "medium disk_full_predicted a"}; !slices.Equal(found, want) {
		t.Errorf("have %v, want %v", found, want)
	}
	if have := ask(known, false, ""); len(have.Capacity) != 2 {
		t.Errorf("without disks: %+v", have.Capacity)
	}
	if have := ask(known, true, "component:web"); len(have.Capacity) != 0 || have.Capacity == nil {
		t.Errorf("of who sees some of the records: %+v", have.Capacity)
	}
	known.err = errors.New("the usage cannot be read")
	if have := ask(known, true, ""); have.Complete || !strings.Contains(have.Reason, "the usage cannot be read") {
		t.Errorf("%t, %q", have.Complete, have.Reason)
	}
}
