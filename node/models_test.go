package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// TestModels teaches a cluster what records mean: labels that are given on one node make a
// model on another, which is activated on the third and labels records on all; one made of
// records with labels of their own takes its place, and goes again.
func TestModels(t *testing.T) {
	all := startThree(t)
	var lines strings.Builder
	for i, place := range []string{"north", "south", "east", "west", "center", "coast", "island", "valley"} {
		at := time.Now().Add(-time.Duration(i) * time.Second).UTC().Format(time.RFC3339Nano)
		fmt.Fprintf(&lines, "{\"timestamp\":%q,\"message\":\"card declined in %s\",\"kind\":\"Money\"}\n{\"timestamp\":%[1]q,\"message\":\"volume nearly full in %[2]s\",\"kind\":\"Metal\"}\n{\"timestamp\":%[1]q,\"message\":\"zzz\"}\n", at, place)
		request(t, all[0], "POST", "/models/labels", fmt.Sprintf(`{"text":"card declined at %s","label":"payment"}`, place), 201, nil)
		if i > 0 {
			request(t, all[0], "POST", "/models/labels", fmt.Sprintf(`{"text":"volume nearly full at %s","label":"disk"}`, place), 201, nil)
		}
	}
	request(t, all[1], "POST", "/logs", lines.String(), 200, nil)
	var records []struct{ ID string }
	request(t, all[1], "GET", "/logs?query=volume&limit=1", "", 200, &records)
	request(t, all[1], "POST", "/models/labels", fmt.Sprintf(`{"recordId":%q,"label":"disk"}`, records[0].ID), 201, nil)
	type model struct {
		ID      string
		Active  bool
		Sources struct{ Labels, Feedback, Field, Request int }
		Report  struct {
			Labels     map[string]int
			Evaluation struct{ Examples, Right, Unsure int }
		}
	}
	var first, second model
	nodetest.Eventually(t, "all labels are known where the model is made", func() bool {
		var labels []struct{ ID, Label string }
		request(t, all[1], "GET", "/models/labels", "", 200, &labels)
		return len(labels) == 16
	})
	request(t, all[1], "POST", "/models", `{"note":"the first"}`, 201, &first)
	if e := first.Report.Evaluation; first.Active || first.Sources.Labels != 16 || first.Report.Labels["payment"] != 8 || e.Examples != 4 || e.Right != 4 {
		t.Errorf("the first model: %+v", first)
	}
	request(t, all[2], "POST", "/models/"+first.ID+"/activate", "", 200, nil)
	// labelled waits until every node counts records by these labels, and has the model as active.
	labelled := func(active string, labels ...string) {
		t.Helper()
		for i, one := range all {
			nodetest.Eventually(t, fmt.Sprintf("node %d has %v of model %q", i, labels, active), func() bool {
				var listed struct{ Active string }
				request(t, one, "GET", "/models", "", 200, &listed)
				for _, label := range labels {
					if label != "" && count(t, one, "model_label:"+label+" model_confidence>=0.6") != 8 {
						return false
					}
				}
				return listed.Active == active && count(t, one, "model_label:*") == 8*len(labels)
			})
		}
	}
	labelled(first.ID, "disk", "payment")
	var tested struct {
		Texts []struct {
			Label string
			Why   []string
		}
	}
	request(t, all[0], "POST", "/models/"+first.ID+"/test", `{"texts":["the card was declined","hm"],"examples":[{"text":"volume full","label":"disk"}]}`, 200, &tested)
	if len(tested.Texts) != 2 || tested.Texts[0].Label != "payment" || len(tested.Texts[0].Why) == 0 || tested.Texts[1].Label != "" {
		t.Errorf("tested: %+v", tested)
	}
	request(t, all[0], "POST", "/models", `{"field":"kind","labels":false,"activate":true}`, 201, &second)
	if second.Sources.Field != 16 || second.Report.Labels["money"] != 8 {
		t.Errorf("the second model: %+v", second)
	}
	labelled(second.ID, "metal", "money")
	request(t, all[2], "DELETE", "/models/"+second.ID, "", 409, nil)
	request(t, all[1], "POST", "/models/"+first.ID+"/rollback", "", 409, nil)
	request(t, all[1], "POST", "/models/"+second.ID+"/rollback", "", 200, nil)
	labelled(first.ID, "disk", "payment")
	request(t, all[1], "POST", "/models/"+first.ID+"/rollback", "", 200, nil)
	labelled("")
	var kept struct{ Outline string }
	request(t, all[0], "POST", "/models/labels", `{"text":"login with password=swordfishes failed","label":"login"}`, 201, &kept)
	if strings.Contains(kept.Outline, "swordfishes") || !strings.Contains(kept.Outline, "login with") {
		t.Errorf("the label keeps %q", kept.Outline)
	}
	request(t, all[0], "POST", "/models", `{"labels":false}`, 400, nil)
	request(t, all[0], "POST", "/models/m-000077/activate", "", 404, nil)
	request(t, all[0], "POST", "/models/labels", `{"text":"12 34","label":"x"}`, 400, nil)
	request(t, all[0], "POST", "/models/labels", `{"recordId":"0-99-0","label":"x"}`, 404, nil)
	request(t, all[0], "POST", "/models/labels", `{"text":"a word","label":"Not One"}`, 400, nil)
}

// count asks how many records satisfy a query.
func count(t *testing.T, n *nodetest.Running, query string) int {
	t.Helper()
	var table struct{ Rows [][]any }
	request(t, n, "GET", "/logs?query="+url.QueryEscape(query+" | stats count()"), "", 200, &table)
	return int(table.Rows[0][0].(float64))
}

// TestModelsThinkOfFindings: what people say of findings makes a model that lowers the
// score of such findings, and says why.
func TestModelsThinkOfFindings(t *testing.T) {
	all := []*nodetest.Running{nodetest.Start(t, node.Config{})}
	n := all[0]
	var lines strings.Builder
	for i := range 20 {
		at := time.Now().Add(time.Duration(i)*time.Second - 10*time.Minute).UTC().Format(time.RFC3339)
		fmt.Fprintf(&lines, "{\"timestamp\":%q,\"component\":\"sshd\",\"message\":\"Failed password for root from 203.0.113.7 port %d ssh2\"}\n", at, 4000+i)
	}
	request(t, n, "POST", "/logs", lines.String(), 200, nil)
	type insight struct {
		ID, Type, Pattern, Severity string
		Score                       float64
		Opinion                     *struct {
			Model, Label string
			Confidence   float64
			Why          []string
		}
	}
	insights := func() (found []insight) {
		answer, err := http.Get(n.URL + "/analytics/insights?timeframe=1h")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&struct{ Insights *[]insight }{&found}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	before := insights()
	if len(before) == 0 || before[0].Opinion != nil {
		t.Fatalf("found %+v", before)
	}
	rule, _, _ := strings.Cut(before[0].ID, "-")
	for i, word := range []string{"red", "blue", "green", "white", "black"} {
		id := fmt.Sprintf("%s-%016x", rule, i)
		request(t, n, "POST", "/analytics/insights/"+id+"/feedback", fmt.Sprintf(`{"verdict":"false_positive","about":"%s %s"}`, word, before[0].Pattern), 200, nil)
		request(t, n, "POST", fmt.Sprintf("/analytics/insights/drift-%016x/feedback", i), fmt.Sprintf(`{"verdict":"true_positive","about":"temperature of %s oven"}`, word), 200, nil)
	}
	request(t, n, "POST", "/models", `{"activate":true}`, 201, nil)
	for _, after := range insights() {
		if after.ID != before[0].ID {
			continue
		}
		o := after.Opinion
		if o == nil || o.Label != "false_positive" || o.Confidence < 0.6 || len(o.Why) == 0 || after.Score >= before[0].Score && before[0].Score > 0 {
			t.Errorf("before %+v, after %+v, opinion %+v", before[0], after, o)
		}
		return
	}
	t.Error("the finding is not told any more")
}
