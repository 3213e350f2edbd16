package triage

// FiringsShown is how many alerts a trial tells of one by one.
const FiringsShown = 50

// FiredAlert is an alert that a rule would have made.
type FiredAlert struct {
	Group Group
	From  int64 // when it fired
	Until int64 // when it ended, 0 if it fires yet
	Peak  float64
	Text  string
}

// Trial is what a rule would have done.
type Trial struct {
	Windows int
	Fired   int // alerts
	Told    int // times that somebody would have been told
	Alerts  []FiredAlert
}

// Replay takes a rule through windows of the past, in their order.
func Replay(r *Rule, ends []int64, find func(end int64) ([]Finding, error)) (*Trial, error) {
	t, state := &Trial{}, &State{}
	open := map[string]int{} // place in Alerts
	for _, end := range ends {
		found, err := find(end)
		if err != nil {
			return t, err
		}
		transitions, err := state.Step(r, Sample{End: end, Findings: found}, nil)
		if err != nil {
			return t, err
		}
		t.Windows++
		t.Told += len(transitions)
		for _, one := range transitions {
			key := one.Alert.Group.Key()
			at, known := open[key]
			switch {
			case one.Kind == Fires:
				t.Fired++
				if len(t.Alerts) < FiringsShown {
					open[key] = len(t.Alerts)
					t.Alerts = append(t.Alerts, FiredAlert{Group: one.Alert.Group, From: end, Peak: one.Alert.Value, Text: one.Alert.Text})
				}
			case one.Kind == Resolves && known:
				t.Alerts[at].Until = end
				delete(open, key)
			}
		}
		for key, at := range open {
			if alert := state.Alerts[key]; alert != nil {
				t.Alerts[at].Peak = max(t.Alerts[at].Peak, alert.Value)
			}
		}
	}
	return t, nil
}
