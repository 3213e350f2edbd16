package bench

import "context"

// Scan answers the questions by looking at every record of the corpus.
// Questions that the corpus does not have are left out.
func Scan(ctx context.Context, c *Corpus, questions []Question) ([]*Truth, error) {
	var truths []*Truth
	for _, q := range questions {
		if q.Missing == "" {
			truths = append(truths, newTruth(q))
		}
	}
	err := c.Records(ctx, func(_ int64, r *Record) error {
		for _, t := range truths {
			t.observe(r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, t := range truths {
		t.finish()
	}
	return truths, nil
}
