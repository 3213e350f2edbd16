package redact

import (
	"cmp"
	"fmt"
	"slices"
)

// Detector is a kind of thing that is found. The custom rules of a Redactor
// follow the detectors that are built in.
type Detector uint8

// The detectors that are built in. Where two find the same text, the one that
// comes first here gives it its name.
const (
	PrivateKey Detector = iota
	JWT
	AWSKey
	GCPKey
	AzureKey
	GitHubToken
	GitLabToken
	SlackToken
	StripeKey
	NPMToken
	ServiceToken
	Card
	IBAN
	SSN
	URLPassword
	Authorization
	Password
	Secret
	Email
	Phone
	IP
	FieldName
	builtIn
)

// detectorNames are the names of detectors in settings, markers and metrics.
func detectorNames() [builtIn]string {
	return [builtIn]string{
		PrivateKey: "private-key", JWT: "jwt", AWSKey: "aws-key", GCPKey: "gcp-key", AzureKey: "azure-key",
		GitHubToken: "github-token", GitLabToken: "gitlab-token", SlackToken: "slack-token", StripeKey: "stripe-key",
		NPMToken: "npm-token", ServiceToken: "service-token", Card: "card", IBAN: "iban", SSN: "ssn",
		URLPassword: "url-password", Authorization: "authorization", Password: "password", Secret: "secret",
		Email: "email", Phone: "phone", IP: "ip", FieldName: "field",
	}
}

// BuiltIn returns the names of the detectors that are built in.
func BuiltIn() []string {
	names := detectorNames()
	return names[:]
}

// Action is what is done with a finding.
type Action uint8

// The actions.
const (
	Default Action = iota // what the set of detectors says
	Off                   // nothing: the detector does not look
	Mask                  // a marker stands instead: [redacted:card]
	Partial               // the marker has the last four characters: [redacted:card:*1111]
	Hash                  // the marker has a token: [redacted:card:#5b1e0f5f6d3a9c21]
	Remove                // nothing stands instead
)

func actionNames() []string {
	return []string{"default", "off", "mask", "partial", "hash", "remove"}
}

// String returns the action's name in settings.
func (a Action) String() string { return actionNames()[a] }

// ParseAction reads the name of an action.
func ParseAction(text string) (Action, bool) {
	i := slices.Index(actionNames(), text)
	return Action(max(i, 0)), i >= 0
}

// UnmarshalText reads the name of an action; none is the default.
func (a *Action) UnmarshalText(text []byte) error {
	action, ok := ParseAction(cmp.Or(string(text), Default.String()))
	if !ok {
		return fmt.Errorf("there is no action %.40q, want mask, partial, hash, remove or off", text)
	}
	*a = action
	return nil
}

// MarshalText writes the name of the action.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// shows ranks actions by how much of a finding is left to see: the least first.
func (a Action) shows() int {
	return slices.Index([]Action{Remove, Mask, Hash, Partial, Off, Default}, a)
}

// stronger returns the action that leaves less to see.
func stronger(a, b Action) Action {
	if a.shows() < b.shows() {
		return a
	}
	return b
}

// Set is a set of detectors to begin with.
type Set uint8

// The sets.
const (
	// Standard finds what nobody wants in a log: credentials, and the numbers
	// that money is moved with. It leaves alone what logs are searched by.
	Standard Set = iota
	// Personal also finds e-mail addresses and telephone numbers.
	Personal
	// Nothing finds nothing: what is found is said one by one.
	Nothing
)

func setNames() []string { return []string{"standard", "personal", "nothing"} }

// String returns the set's name in the rules of tenants.
func (s Set) String() string { return setNames()[s] }

// ParseSet reads the name of a set; none is Nothing.
func ParseSet(text string) (Set, bool) {
	i := slices.Index(setNames(), cmp.Or(text, Nothing.String()))
	return Set(max(i, 0)), i >= 0
}

// actions returns what a set does with the findings of each detector.
func (s Set) actions() [builtIn]Action {
	var out [builtIn]Action
	for d := range out {
		out[d] = Mask
		if s == Nothing {
			out[d] = Off
		}
	}
	if s == Nothing {
		return out
	}
	out[Card], out[IBAN] = Partial, Partial
	out[Email], out[Phone], out[IP] = Off, Off, Off
	if s == Personal {
		out[Email], out[Phone] = Mask, Mask
	}
	return out
}
