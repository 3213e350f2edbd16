package triage

import "time"

func minutes(n int) Duration { return Duration(time.Duration(n) * time.Minute) }

func limit(v float64) *float64 { return &v }

func tags(names ...string) Action { return Action{Tag: names} }

// oncall tells everybody once more of what nobody looks after.
func oncall() Action { return Action{Escalate: &Escalate{After: minutes(30), Severity: Critical}} }

// CriticalErrors is the rule of the start that takes its threshold from what is agreed
// with a tenant, if something is.
const CriticalErrors = "critical_error_threshold"

// Defaults returns the rules that every tenant has until it replaces them or switches
// them off: nine on what records say, and eight alerts on how everything is.
func Defaults() []*Rule {
	notify := Action{Notify: true}
	rules := []*Rule{
		{ID: "service_down", Name: "Service down", Severity: Critical, Event: EventCriticalError,
			When:    Condition{Query: `("service unavailable" OR "connection refused" OR "service down") level>=error`, Over: minutes(5), By: []string{"component"}, AtLeast: limit(3)},
			Keep:    minutes(5),
			Actions: []Action{notify, {Incident: "availability"}, oncall()}},
		{ID: "security_breach", Name: "Security breach", Severity: Critical, Event: EventSecurity,
			When:    Condition{Query: `("unauthorized access" OR "security breach" OR "intrusion detected") level>=warn`, Over: minutes(5)},
			Keep:    minutes(15),
			Actions: []Action{notify, {Incident: "security"}, tags("security")}},
		{ID: "data_loss", Name: "Data lost or damaged", Severity: Critical, Event: EventCriticalError,
			When:    Condition{Query: `("data corruption" OR "data loss" OR "backup failed") level>=error`, Over: minutes(5), By: []string{"component"}},
			Keep:    minutes(15),
			Actions: []Action{notify, {Incident: "data"}, tags("data")}},
		{ID: "database_error", Name: "Database errors", Severity: High,
			When:    Condition{Query: `category:database level>=error`, Over: minutes(5), By: []string{"component"}, AtLeast: limit(5)},
			Keep:    minutes(5),
			Actions: []Action{notify, tags("database")}},
		{ID: "authentication_failure", Name: "Many failed logins", Severity: Medium, Event: EventSecurity,
			When:    Condition{Query: `("login failed" OR "authentication error" OR "authentication failure" OR "failed password")`, Over: minutes(5), AtLeast: limit(10)},
			Keep:    minutes(15),
			Actions: []Action{notify, tags("authentication")}},
		{ID: "api_error_spike", Name: "Many errors of interfaces", Severity: High,
			When:    Condition{Query: `category:api level>=error`, Over: minutes(5), By: []string{"endpoint"}, AtLeast: limit(20)},
			Keep:    minutes(5),
			Actions: []Action{notify, tags("api")}},
		{ID: "performance_degradation", Name: "Slow operations", Severity: Medium, Event: EventPerformance,
			When:    Condition{Query: `category:performance level>=warn OR duration>5000`, Over: minutes(5), By: []string{"component"}, AtLeast: limit(10)},
			For:     minutes(2),
			Keep:    minutes(5),
			Actions: []Action{notify, tags("performance")}},
		{ID: "high_memory_usage", Name: "Memory nearly full", Severity: Medium, Event: EventPerformance,
			When:    Condition{Query: `memoryUsage>0.8`, Over: minutes(5), By: []string{"component"}, AtLeast: limit(3)},
			Keep:    minutes(10),
			Actions: []Action{notify, tags("memory")}},
		{ID: "business_event", Name: "Business events", Severity: Info,
			When:    Condition{Query: businessWords + ` category:business`, Over: minutes(60)},
			Every:   minutes(60),
			Actions: []Action{tags("business")}},
	}
	rules = append(rules, fiveAlerts()...)
	rules = append(rules, nodeAlert())
	rules = append(rules, quotaAlerts()...)
	for _, r := range rules {
		r.Builtin = true
		r.complete()
	}
	return rules
}

// attacks are the insights that an attack is behind. Records of single attacks are found
// by their words, not by the field attack: that reads every text once, which a rule that
// every tenant has is not to cost.
func attacks() []string {
	return []string{"potential_brute_force", "password_spraying", "credential_stuffing", "account_takeover", "privilege_change", "impossible_travel", "security_threat"}
}

// businessWords are words that records about business mostly have. They come before the
// category, which would else be made of every record there is, for a rule that every
// tenant has.
const businessWords = `(order OR orders OR customer OR customers OR cart OR checkout OR shipment OR shipping OR booking OR reservation OR subscription OR signup OR registration OR coupon OR inventory OR purchase)`

// fiveAlerts are those on how everything is.
func fiveAlerts() []*Rule {
	notify := Action{Notify: true}
	return []*Rule{
		{ID: CriticalErrors, Name: "Critical errors above the threshold", Severity: Critical, Event: EventCriticalError,
			When:    Condition{Query: `level:critical`, Over: minutes(60), AtLeast: limit(10)},
			Every:   minutes(5),
			Actions: []Action{notify, {Incident: "errors"}, oncall()}},
		{ID: "service_availability", Name: "A registered service does not answer", Severity: Critical, Event: EventAvailability,
			When:    Condition{Service: &Service{}},
			For:     minutes(2),
			Actions: []Action{notify, {Incident: "availability"}, oncall()}},
		{ID: "slow_responses", Name: "Responses slower than five seconds", Severity: High, Event: EventPerformance,
			When:    Condition{Query: `duration:*`, Measure: "p95(duration)", Over: minutes(15), By: []string{"endpoint"}, AtLeast: limit(5000)},
			Every:   minutes(5),
			Actions: []Action{notify}},
		{ID: "security_finding", Name: "An attack was found", Severity: High, Event: EventSecurity,
			When:    Condition{Anomaly: &Anomaly{Types: attacks(), Severity: High}, Over: minutes(60)},
			Every:   minutes(5),
			Actions: []Action{notify, {Incident: "security"}, tags("security")}},
		{ID: "storage_capacity", Name: "A disk fills", Severity: High, Event: EventStorage,
			When:    Condition{Storage: &Storage{UsedAtLeast: 85}},
			For:     minutes(5),
			Actions: []Action{notify}},
	}
}

// nodeAlert tells who operates the nodes that one is not there. A restart takes less time
// than it waits.
func nodeAlert() *Rule {
	return &Rule{ID: "node_down", Name: "A node of the cluster is not there", Severity: Critical, Event: EventAvailability,
		When:    Condition{Node: &Node{}},
		For:     minutes(2),
		Actions: []Action{{Notify: true}, {Incident: "availability"}, oncall()}}
}

// quotaAlerts tell of limits that are agreed with the tenant: one in time, one when
// nothing more is taken. What goes up and down around a limit is told once: it is over
// when it has been for an hour.
func quotaAlerts() []*Rule {
	notify := Action{Notify: true}
	return []*Rule{
		{ID: "quota_near", Name: "A quota is nearly used up", Severity: Medium, Event: EventQuota,
			When:    Condition{Quota: &Quota{UsedAtLeast: 80}},
			Keep:    minutes(60),
			Repeat:  minutes(24 * 60),
			Actions: []Action{notify}},
		{ID: "quota_reached", Name: "A quota is used up", Severity: High, Event: EventQuota,
			When:    Condition{Quota: &Quota{UsedAtLeast: 100}},
			Keep:    minutes(60),
			Repeat:  minutes(24 * 60),
			Actions: []Action{notify}},
	}
}
