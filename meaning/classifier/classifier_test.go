package classifier

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// lines makes examples: what happens to payments, to logins and to disks, in words that
// they partly have in common.
func lines(n int) (all []Example) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for i := range n {
		common := pick("request from", "worker says", "retry after", "user of") + " " + pick("europe", "asia", "africa")
		for label, says := range map[string]string{
			"payment": pick("card declined by bank", "payment refused, limit", "charge of card failed"),
			"login":   pick("password wrong for account", "login refused for account", "account locked after failed login"),
			"disk":    pick("volume is nearly full", "write to disk failed", "no space on volume"),
		} {
			all = append(all, Example{Outline(fmt.Sprintf("%s: %s code %s%d", common, says, pick("red", "blue", "green", "black"), i)), label})
		}
	}
	return all
}

// TestTooFew says which labels need more examples, also when one text was given two labels:
// it is of the later one.
func TestTooFew(t *testing.T) {
	var all []Example
	for i := range ExamplesLeast {
		word := strings.Repeat("x", i+2)
		all = append(all, Example{word, "payment"}, Example{word + "y", "disk"})
	}
	all = append(all, Example{"xx", "disk"}, Example{"seldom", "rare"})
	_, _, err := Train(all)
	if want := "1 labels have 4 different examples or more, want 2 to 16 such labels, but payment has 3, rare has 1"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, _, err := Train(nil); err == nil || !strings.HasSuffix(err.Error(), "such labels") {
		t.Errorf("of nothing: %v", err)
	}
}

// TestTrain learns what is easy, and says how well, with counts that add up.
func TestTrain(t *testing.T) {
	m, report, err := Train(append(lines(60), Example{"a lonely one", "alone"}))
	if err != nil {
		t.Fatal(err)
	}
	e := report.Evaluation
	if report.LeftOut["alone"] != 1 || len(report.Labels) != 3 || report.Examples+report.Repeats+1 != 181 || e.Examples != report.Examples/holdEvery {
		t.Errorf("report %+v", report)
	}
	right, examples, said := 0, 0, 0
	for _, one := range e.Labels {
		right, examples, said = right+one.Right, examples+one.Examples, said+one.Said
		if one.Precision == nil || *one.Precision < 0.95 || one.Recall == nil || *one.Recall < 0.9 {
			t.Errorf("%s: precision %v, recall %v", one.Label, one.Precision, one.Recall)
		}
	}
	if right != e.Right || examples != e.Examples || said+e.Unsure != e.Examples {
		t.Errorf("the counts do not add up: %+v", e)
	}
	for text, want := range map[string]string{
		"The bank says: card declined, sorry": "payment", "Account LOCKED": "login", "nothing of this was heard before": "", "": "", "4711 %%% 0x33": "",
	} {
		label, sure := m.Label(Outline(text))
		if label != want || (label != "") != (sure >= Least) || sure > 1 {
			t.Errorf("%q is %q, sure %v, want %q", text, label, sure, want)
		}
	}
	if why := m.Why(Outline("card declined in europe"), "payment"); len(why) < 2 || !slices.Contains(why[:2], "card") && !slices.Contains(why[:2], "declined") {
		t.Errorf("why: %v", why)
	}
}

// TestTrainIsPure: the order of different examples does not matter, the saved form says the
// same, and is bounded.
func TestTrainIsPure(t *testing.T) {
	examples := lines(40)
	m, _, err := Train(examples)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(examples, func(a, b Example) int { return strings.Compare(a.Outline, b.Outline) })
	other, _, err := Train(examples)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(other); err != nil || string(again) != string(text) {
		t.Errorf("another order makes another model: %v\n%s\n%s", err, text, again)
	}
	var read Model
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Key() != m.Key() || m.Key() == "" || (*Model)(nil).Key() != "" {
		t.Errorf("keys %q and %q", m.Key(), read.Key())
	}
	for _, e := range examples {
		label, sure := m.Label(e.Outline)
		if again, sureAgain := read.Label(e.Outline); again != label || sureAgain != sure {
			t.Fatalf("%q is %s %v, after it was read %s %v", e.Outline, label, sure, again, sureAgain)
		}
	}
	var many []Example
	r := rand.New(rand.NewPCG(3, 4))
	for i := range ExamplesMax {
		var b strings.Builder
		for range 60 {
			for range 30 {
				b.WriteByte(byte('a' + r.IntN(26)))
			}
			b.WriteByte(' ')
		}
		many = append(many, Example{b.String(), fmt.Sprintf("%s%d", strings.Repeat("l", labelMax-2), i%LabelsMax)})
	}
	large, _, err := Train(many[:1500])
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(large); err != nil || len(text) > EncodedMax || len(text) < EncodedMax/2 {
		t.Errorf("a model of %d bytes: %v", len(text), err)
	}
}

// TestTrainRefuses what it cannot learn from, and says why.
func TestTrainRefuses(t *testing.T) {
	one := func(label string, n int) (all []Example) {
		for i := range n {
			all = append(all, Example{strings.Repeat("x", i+2), label})
		}
		return all
	}
	for says, examples := range map[string][]Example{
		"0 labels": nil, "1 labels": one("a", 20), "example 0: the label": {{"text", "Not One"}}, "there is no word": {{"1 2 3", "a"}},
		"at most 5000": make([]Example, ExamplesMax+1),
	} {
		if _, _, err := Train(examples); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// FuzzModel: what is read as a model can be asked, and written again as it was.
func FuzzModel(f *testing.F) {
	m, _, err := Train(lines(10))
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, "card declined")
	f.Add([]byte(`{"version":1,"labels":["a","b"],"documents":[1,1],"totals":[0,0],"cooling":1,"words":{}}`), "x\xff\xfe")
	f.Fuzz(func(t *testing.T, text []byte, asked string) {
		var m Model
		if json.Unmarshal(text, &m) != nil {
			return
		}
		label, sure := m.Label(Outline(asked))
		if label != "" && (!slices.Contains(m.Labels(), label) || !(sure >= Least && sure <= 1)) {
			t.Errorf("%q, %v", label, sure)
		}
		m.Why(asked, label)
		again, err := json.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		var other Model
		if err := json.Unmarshal(again, &other); err != nil && len(again) <= EncodedMax {
			t.Errorf("%s: %v", again, err)
		}
	})
}
