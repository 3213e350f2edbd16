package redact

import "slices"

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

// Set is a set of detectors to begin with.
type Set uint8

// The sets.
const (
	// Standard finds what nobody wants in a log: credentials, and the numbers
	// that money is moved with. It leaves alone what logs are searched by.
	Standard Set = iota
	// Personal also finds e-mail addresses and telephone numbers.
	Personal
)

// actions returns what a set does with the findings of each detector.
func (s Set) actions() [builtIn]Action {
	var out [builtIn]Action
	for d := range out {
		out[d] = Mask
	}
	out[Card], out[IBAN] = Partial, Partial
	out[Email], out[Phone], out[IP] = Off, Off, Off
	if s == Personal {
		out[Email], out[Phone] = Mask, Mask
	}
	return out
}
