package labelled_test

import (
	"testing"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/labelled"
	"github.com/stere-log/stere/model/shape"
)

// TestPrecisionAndRecall looks for attacks in all lines.
func TestPrecisionAndRecall(t *testing.T) {
	const precision, recall = 0.98, 0.96
	lines := labelled.Attacks()
	figures := labelled.Measure(lines, func(line labelled.Line, found []meaning.Finding) {
		t.Logf("%q: %q, found %v", line.Attack, line.Text, found)
	})
	all := labelled.Total(figures)
	t.Logf("%d lines: precision %.3f, recall %.3f", len(lines), all.Precision(), all.Recall())
	if all.Precision() < precision || all.Recall() < recall {
		t.Errorf("precision %.3f, recall %.3f, want %.2f and %.2f", all.Precision(), all.Recall(), precision, recall)
	}
	for _, attack := range meaning.AttackNames() {
		if f := figures[attack]; f.Recall() < 0.85 || f.Right == 0 {
			t.Errorf("%s: precision %.3f, recall %.3f", attack, f.Precision(), f.Recall())
		}
	}
}

// TestOutlinesMissNoAttack asks outlines whether texts have to be read that show attacks.
func TestOutlinesMissNoAttack(t *testing.T) {
	for _, line := range labelled.Attacks() {
		if found := meaning.Attacks(line.Text); len(found) > 0 && !meaning.MayAttack(shape.MessageOutline(line.Text)) {
			t.Errorf("%q shows %v, its outline does not say that it may", line.Text, found)
		}
	}
}
