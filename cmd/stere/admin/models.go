package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/client"
)

// Models is stere models.
type Models struct {
	List     listModels    `cmd:"" help:"List models, the newest first, and how good they are."`
	Show     showModel     `cmd:"" help:"Show a model with its evaluation and words, as JSON."`
	Train    trainModel    `cmd:"" help:"Make a model of labels and feedback."`
	Test     testModel     `cmd:"" help:"Say what a model makes of texts."`
	Activate activateModel `cmd:"" help:"Let a model label records, and weigh findings."`
	Rollback rollbackModel `cmd:"" help:"Let the model before the active one label records again."`
	Drop     dropModel     `cmd:"" help:"Forget a model."`
	Labels   listLabels    `cmd:"" help:"List what people said of records and texts."`
	Label    putLabel      `cmd:"" help:"Say what a record or a text is."`
	Unlabel  dropLabel     `cmd:"" help:"Take a label back."`
}

// Help teaches by example.
func (Models) Help() string {
	return `docs/models.md says what models learn from, and what follows from them.

Examples:
  stere models label payment --record 0-2-0
  stere models label disk --text 'volume nearly full'
  stere models train                                  of labels: 4 texts or more of each
  stere models train --field component --since 30d    of a field that records came with
  stere models test m-000001 'payment declined by the bank'
  stere models activate m-000001
  stere query 'model_label:payment | stats count() by (component)'
  stere models rollback m-000001`
}

const modelsPath = "/models"

// shownModel is a model in answers.
type shownModel struct {
	ID      string     `json:"id"`
	Active  bool       `json:"active"`
	Created *time.Time `json:"createdAt"`
	By      string     `json:"createdBy"`
	Note    string     `json:"note"`
	Report  struct {
		Examples   int            `json:"examples"`
		Labels     map[string]int `json:"labels"`
		LeftOut    map[string]int `json:"leftOut"`
		Evaluation evaluation     `json:"evaluation"`
	} `json:"report"`
}

type evaluation struct {
	Examples int `json:"examples"`
	Right    int `json:"right"`
	Unsure   int `json:"unsure"`
	Labels   []struct {
		Label     string   `json:"label"`
		Examples  int      `json:"examples"`
		Precision *float64 `json:"precision"`
		Recall    *float64 `json:"recall"`
	} `json:"labels"`
}

func rowsOfModels(out io.Writer, list []shownModel) {
	row(out, "ID", "ACTIVE", "CREATED", "BY", "EXAMPLES", "HELD OUT", "RIGHT", "UNSURE", "LABELS", "NOTE")
	for _, m := range list {
		e := m.Report.Evaluation
		row(out, m.ID, fmt.Sprint(m.Active), day(m.Created), m.By, fmt.Sprint(m.Report.Examples), fmt.Sprint(e.Examples), fmt.Sprint(e.Right), fmt.Sprint(e.Unsure),
			strings.Join(slices.Sorted(maps.Keys(m.Report.Labels)), ","), m.Note)
	}
}

// rowsOfEvaluation shows how well each label is told.
func rowsOfEvaluation(out io.Writer, e evaluation) {
	share := func(v *float64) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf("%.3f", *v)
	}
	row(out, "LABEL", "HELD OUT", "PRECISION", "RECALL")
	for _, l := range e.Labels {
		row(out, l.Label, fmt.Sprint(l.Examples), share(l.Precision), share(l.Recall))
	}
}

type listModels struct {
	Remote
}

// Run lists models.
func (l *listModels) Run(w World) error {
	type list struct {
		Models []shownModel   `json:"models"`
		Active string         `json:"active"`
		Before []string       `json:"before"`
		Labels map[string]int `json:"labels"`
	}
	return run(w, l.Remote, func(ctx context.Context, c *client.Client) (list, error) {
		return ask[list](ctx, c, "GET", modelsPath, nil)
	}, func(out io.Writer, got list) { rowsOfModels(out, got.Models) })
}

type showModel struct {
	Remote
	ID string `arg:"" help:"The model."`
}

// Run shows a model.
func (s *showModel) Run(w World) error {
	return askJSON(w, s.Remote, modelsPath+"/"+url.PathEscape(s.ID))
}

type trainModel struct {
	Remote
	Note       string `help:"What is to be remembered." placeholder:"TEXT"`
	Field      string `help:"Learn from records that have their label in this field." placeholder:"FIELD"`
	Query      string `help:"Of them only those that satisfy a condition." placeholder:"QUERY"`
	Since      string `help:"How far back (default 7d)." placeholder:"LENGTH"`
	Examples   string `type:"existingfile" help:"NDJSON of {\"text\":…,\"label\":…}." placeholder:"FILE"`
	NoLabels   bool   `help:"Not from labels of records and texts."`
	NoFeedback bool   `help:"Not from what was said of findings."`
	Activate   bool   `help:"And let it label records."`
}

// Run makes a model.
func (t *trainModel) Run(w World) error {
	body := map[string]any{"note": t.Note, "field": t.Field, "query": t.Query, "since": t.Since, "labels": !t.NoLabels, "feedback": !t.NoFeedback, "activate": t.Activate}
	if t.Examples != "" {
		text, err := os.Open(t.Examples)
		if err != nil {
			return fmt.Errorf("read the examples: %w", err)
		}
		defer text.Close()
		var examples []json.RawMessage
		for d := json.NewDecoder(text); d.More(); {
			var one json.RawMessage
			if err := d.Decode(&one); err != nil {
				return fmt.Errorf("read example %d: %w", len(examples)+1, err)
			}
			examples = append(examples, one)
		}
		body["examples"] = examples
	}
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) (shownModel, error) {
		return ask[shownModel](ctx, c, "POST", modelsPath, body)
	}, func(out io.Writer, m shownModel) {
		rowsOfModels(out, []shownModel{m})
		rowsOfEvaluation(out, m.Report.Evaluation)
		for _, label := range slices.Sorted(maps.Keys(m.Report.LeftOut)) {
			fmt.Fprintf(out, "left out, as it has too few examples: %s (%d)\n", label, m.Report.LeftOut[label])
		}
	})
}

type testModel struct {
	Remote
	ID    string   `arg:"" help:"The model."`
	Texts []string `arg:"" help:"Messages."`
}

// Run tests a model.
func (t *testModel) Run(w World) error {
	type tested struct {
		Texts []struct {
			Text       string   `json:"text"`
			Label      string   `json:"label"`
			Confidence float64  `json:"confidence"`
			Why        []string `json:"why"`
		} `json:"texts"`
	}
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) (tested, error) {
		return ask[tested](ctx, c, "POST", modelsPath+"/"+url.PathEscape(t.ID)+"/test", map[string]any{"texts": t.Texts})
	}, func(out io.Writer, got tested) {
		row(out, "LABEL", "CONFIDENCE", "WHY", "TEXT")
		for _, one := range got.Texts {
			row(out, one.Label, fmt.Sprintf("%.3f", one.Confidence), strings.Join(one.Why, ","), one.Text)
		}
	})
}

type activateModel struct {
	Remote
	ID string `arg:"" help:"The model."`
}

// Run activates a model.
func (a *activateModel) Run(w World) error { return switchModel(w, a.Remote, a.ID, "activate") }

type rollbackModel struct {
	Remote
	ID string `arg:"" help:"The model that is active."`
}

// Run rolls back.
func (r *rollbackModel) Run(w World) error { return switchModel(w, r.Remote, r.ID, "rollback") }

func switchModel(w World, r Remote, id, how string) error {
	type active struct {
		ID     string   `json:"id"`
		Before []string `json:"before"`
	}
	return run(w, r, func(ctx context.Context, c *client.Client) (active, error) {
		return ask[active](ctx, c, "POST", modelsPath+"/"+url.PathEscape(id)+"/"+how, nil)
	}, func(out io.Writer, a active) {
		row(out, "ACTIVE", "BEFORE")
		row(out, a.ID, strings.Join(a.Before, ","))
	})
}

type dropModel struct {
	Remote
	ID string `arg:"" help:"The model."`
}

// Run forgets a model.
func (d *dropModel) Run(w World) error {
	return askDrop(w, d.Remote, modelsPath+"/", d.ID)
}

// shownLabel is a label in answers.
type shownLabel struct {
	ID      string     `json:"id"`
	Outline string     `json:"outline"`
	Label   string     `json:"label"`
	Record  string     `json:"recordId,omitempty"`
	By      string     `json:"by"`
	Time    *time.Time `json:"time"`
}

func rowsOfLabels(out io.Writer, list []shownLabel) {
	row(out, "ID", "LABEL", "BY", "AT", "TEXT")
	for _, l := range list {
		row(out, l.ID, l.Label, l.By, day(l.Time), l.Outline)
	}
}

type listLabels struct {
	Remote
}

// Run lists labels.
func (l *listLabels) Run(w World) error {
	return askList(w, l.Remote, modelsPath+"/labels", rowsOfLabels)
}

type putLabel struct {
	Remote
	Label  string `arg:"" help:"a-z, 0-9, '.', '_' and '-'."`
	Record string `xor:"what" required:"" help:"The record; this or --text." placeholder:"ID"`
	Text   string `xor:"what" required:"" help:"A message; this or --record." placeholder:"TEXT"`
}

// Run labels something.
func (p *putLabel) Run(w World) error {
	body := map[string]string{"label": p.Label, "recordId": p.Record, "text": p.Text}
	return askOne(w, p.Remote, "POST", modelsPath+"/labels", body, rowsOfLabels)
}

type dropLabel struct {
	Remote
	ID string `arg:"" help:"The label."`
}

// Run takes a label back.
func (d *dropLabel) Run(w World) error {
	return askDrop(w, d.Remote, modelsPath+"/labels/", d.ID)
}
