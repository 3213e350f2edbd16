package meaning

import (
	"cmp"
	"slices"
	"strings"
)

// Signal is a known thing of which a record tells.
type Signal struct {
	ID         string
	Group      string // security, performance, error, business or api
	Severity   string // critical, high, medium, low or info
	Confidence float64
}

// signalRule is how a signal is known: by words that follow each other with at most a few
// others between, in one of several wordings, by attacks or by the status of a request.
type signalRule struct {
	Signal
	wordings []string
	attack   Attack
	statuses []int
	slow     bool // of records with a duration only slow ones
}

// slowFrom is the duration in milliseconds from which on a query is slow.
const slowFrom = 5000

var signalRules = []signalRule{
	{Signal: Signal{"brute_force_attempt", "security", "high", 0.8}, wordings: []string{"failed login", "failed password", "login failed", "failed logon", "authentication failed", "authentication failure", "invalid credentials", "invalid credential"}},
	{Signal: Signal{"sql_injection", "security", "critical", 0.9}, attack: SQLInjection, wordings: []string{"sql injection"}},
	{Signal: Signal{"xss_attempt", "security", "high", 0.7}, attack: XSS, wordings: []string{"cross site scripting"}},
	{Signal: Signal{"slow_query", "performance", "medium", 0.6}, wordings: []string{"slow query", "slow queries", "query slow", "timeout", "timed out", "performance"}, slow: true},
	{Signal: Signal{"memory_leak", "performance", "high", 0.8}, wordings: []string{"out of memory", "outofmemoryerror", "oom", "memory leak", "memory leaks", "leaked memory", "heap overflow", "heap space"}},
	{Signal: Signal{"high_cpu_usage", "performance", "medium", 0.6}, wordings: []string{"cpu usage", "high load", "high cpu", "performance degradation", "performance degraded"}},
	{Signal: Signal{"connection_failure", "error", "high", 0.8}, wordings: []string{"connection refused", "connection timeout", "connection timed", "connection reset", "network error", "network unreachable"}},
	{Signal: Signal{"service_unavailable", "error", "high", 0.9}, wordings: []string{"service unavailable", "bad gateway", "gateway timeout"}, statuses: []int{502, 503, 504}},
	{Signal: Signal{"disk_space_issue", "error", "critical", 0.9}, wordings: []string{"disk full", "disk is full", "no space", "storage full"}},
	{Signal: Signal{"payment_failure", "business", "high", 0.8}, wordings: []string{"payment failed", "payment failure", "payment declined", "transaction declined", "card declined", "card refused"}},
	{Signal: Signal{"user_registration", "business", "info", 0.7}, wordings: []string{"user registered", "signup completed", "account created"}},
	{Signal: Signal{"data_export", "business", "info", 0.6}, wordings: []string{"export completed", "data downloaded", "backup created"}},
	{Signal: Signal{"rate_limit_exceeded", "api", "medium", 0.8}, wordings: []string{"rate limit", "rate limited", "too many requests"}, statuses: []int{429}},
	{Signal: Signal{"authentication_error", "api", "medium", 0.7}, wordings: []string{"unauthorized", "invalid token", "token invalid", "authentication failed"}, statuses: []int{401}},
	{Signal: Signal{"validation_error", "api", "low", 0.6}, wordings: []string{"validation error", "validation failed", "bad request", "invalid input"}, statuses: []int{400}},
}

// AllSignals lists what signals there are.
func AllSignals() []Signal {
	all := make([]Signal, len(signalRules))
	for i := range signalRules {
		all[i] = signalRules[i].Signal
	}
	return all
}

// between is how many other words may stand between two of a wording.
const between = 3

// wording is the words of one, by number.
type wording struct {
	rule  int
	words []int
}

// signalWords are the words of all wordings, numbered from 1, and the wordings by their
// last word.
var signalWords, wordingsBy = func() (words map[string]int, by map[int][]wording) {
	words, by = map[string]int{}, map[int][]wording{}
	for rule := range signalRules {
		for _, text := range signalRules[rule].wordings {
			w := wording{rule: rule}
			for _, word := range strings.Fields(text) {
				if words[word] == 0 {
					words[word] = len(words) + 1
				}
				w.words = append(w.words, words[word])
			}
			last := w.words[len(w.words)-1]
			by[last] = append(by[last], w)
		}
	}
	return words, by
}()

// SignalsIn returns the ids of the signals of which a text tells, with commas between. It
// is the same for an outline, unless that has the status of a request (HasStatus).
func SignalsIn(text string) string {
	text = text[:min(len(text), EvidenceMax)]
	var found uint32
	var recent []int // numbers of the words so far, 0 for others
	eachWord(text, func(word []byte, _ bool) {
		number := signalWords[string(word)]
		recent = append(recent, number)
		if number == 0 {
			return
		}
		for _, w := range wordingsBy[number] {
			if found&(1<<w.rule) == 0 && ends(recent, w.words) {
				found |= 1 << w.rule
			}
		}
	})
	if status := requestStatus(text); status > 0 {
		found |= signalsOfStatus(status)
	}
	if found == 0 {
		return ""
	}
	return signalNames(found)
}

// ends reports whether words end in others, with at most so many between two.
func ends(recent, words []int) bool {
	at := len(recent) - 1
	for i := len(words) - 2; i >= 0; i-- {
		least := max(0, at-1-between)
		for at--; at >= least && recent[at] != words[i]; at-- {
		}
		if at < least {
			return false
		}
	}
	return true
}

func signalsOfStatus(status int) (found uint32) {
	for rule := range signalRules {
		if slices.Contains(signalRules[rule].statuses, status) {
			found |= 1 << rule
		}
	}
	return found
}

func signalNames(found uint32) string {
	var names []string
	for rule := range signalRules {
		if found&(1<<rule) != 0 {
			names = append(names, signalRules[rule].ID)
		}
	}
	return strings.Join(names, ",")
}

// SignalsOfStatus is SignalsIn for the status of a request.
func SignalsOfStatus(status string) string {
	if LevelOfStatus(status) == 0 {
		return ""
	}
	return signalNames(signalsOfStatus(int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0')))
}

// SignalsOfAttacks is SignalsIn for attacks.
func SignalsOfAttacks(attacks []Attack) string {
	var found uint32
	for rule := range signalRules {
		if attack := signalRules[rule].attack; attack != "" && slices.Contains(attacks, attack) {
			found |= 1 << rule
		}
	}
	return signalNames(found)
}

// HasStatus reports whether a text with an outline may have the status of a request.
func HasStatus(outline string) bool { return strings.Contains(outline, "HTTP/") }

// IsSlow reports whether a duration in milliseconds is one of something slow.
func IsSlow(milliseconds float64) bool { return milliseconds > slowFrom }

// Duration is what is known of how long something took.
type Duration uint8

// What can be known.
const (
	DurationUnknown Duration = iota
	DurationShort
	DurationLong
)

// Signals returns the signals with ids as SignalsIn and the like return them, the worst
// first, each once.
func Signals(took Duration, ids ...string) []Signal {
	var found []Signal
	for rule := range signalRules {
		r := &signalRules[rule]
		has := slices.ContainsFunc(ids, func(some string) bool { return slices.Contains(strings.Split(some, ","), r.ID) })
		if has && !(r.slow && took == DurationShort) {
			found = append(found, r.Signal)
		}
	}
	order := []string{"critical", "high", "medium", "low", "info"}
	slices.SortStableFunc(found, func(a, b Signal) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)), cmp.Compare(b.Confidence, a.Confidence))
	})
	return found
}
