package pattern_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
)

// outlined returns a message with a byte 11 for every variable.
func outlined(message string) string { return shape.MessageOutline(message) }

func learn(before *pattern.Set, messages ...string) *pattern.Set {
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = outlined(m)
	}
	return before.Learn(pattern.Outlines(texts))
}

// texts returns the patterns that messages have in the set learned from them.
func texts(messages ...string) []string {
	set := learn(nil, messages...)
	var found []string
	for _, m := range messages {
		found = append(found, set.Of(outlined(m)).Text)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestWhatIsOnePattern(t *testing.T) {
	for name, c := range map[string]struct{ messages, want []string }{
		"numbers": {
			[]string{"took 12 ms", "took 3 ms"},
			[]string{"took * ms"},
		},
		"names after a cue": {
			[]string{"invalid user anna from 10.0.0.1", "invalid user bert from 10.0.0.2", "invalid user claire from 10.0.0.3"},
			[]string{"invalid user * from *"},
		},
		"opened is not closed": {
			[]string{"session opened for user root", "session closed for user root"},
			[]string{"session closed for user root", "session opened for user root"},
		},
		"not is not nothing": {
			[]string{"disk is now full again", "disk is not full again", "disk is nearly full again", "disk is very full again"},
			[]string{"disk is nearly full again", "disk is not full again", "disk is now full again", "disk is very full again"},
		},
		"programs say who they are": {
			[]string{`GET ok "Mozilla/5.0 (X11; Linux) Gecko/1.0"`, `GET ok "Opera/9 (Windows)"`, `GET ok "curl/8.1"`},
			[]string{`GET ok "*"`},
		},
		"three methods are three statements": {
			[]string{"handled GET for /a/b/c", "handled PUT for /a/b/d", "handled DELETE for /a/b/e"},
			[]string{"handled DELETE for *", "handled GET for *", "handled PUT for *"},
		},
		"most methods are one": {
			[]string{"handled GET for /a/b/c", "handled PUT for /a/b/d", "handled DELETE for /a/b/e", "handled POST for /a/b/f", "handled HEAD for /a/b/g", "handled PATCH for /a/b/h", "handled OPTIONS for /a/b/h"},
			[]string{"handled * for *"},
		},
		"rows of tables": {
			[]string{"7,INFO,anna,login,ok,web", "8,INFO,bert,login,ok,web", "9,INFO,carl,login,ok,web", "9,INFO,dora,login,ok,web", "9,INFO,emil,login,ok,web", "9,INFO,fred,login,ok,web"},
			[]string{"*, INFO, *, login, ok, web"},
		},
		"large numbers are numbers": {
			[]string{"copied 1,234 in all, total 7.", "copied 1,234,567,890 in all, total 1,234,567,890."},
			[]string{"copied * in all, total *."},
		},
		"places": {
			[]string{"shipped to Canada today", "shipped to Florida today", "shipped to Nevada today", "shipped to Colorado today", "shipped to Granada today", "shipped to Toledo today"},
			[]string{"shipped to * today"},
		},
		"names of functions are no participles": {
			[]string{"call getClient failed", "call getAccount failed", "call getEvent failed", "call getToken failed", "call getDocument failed", "call getReport failed"},
			[]string{"call * failed"},
		},
		"names of one and of several words": {
			[]string{
				"User 'anna' executed the 'show version' command", "User 'anna' executed the 'reload' command", "User 'anna' executed the 'clear all logs' command",
				"User 'bert' executed the 'show version' command", "User 'bert' executed the 'reload' command", "User 'bert' executed the 'clear all logs' command",
				"User 'carl' executed the 'show version' command", "User 'carl' executed the 'reload' command", "User 'carl' executed the 'clear all logs' command",
			},
			[]string{"User '*' executed the '*' command"},
		},
		"participles of other languages": {
			[]string{"Auftrag angelegt von Anna Weiß", "Auftrag angelegt von Bert", "Auftrag angelegt von Carl", "Auftrag storniert von Anna Weiß", "Auftrag storniert von Bert", "Auftrag storniert von Carl"},
			[]string{"Auftrag angelegt von *", "Auftrag storniert von *"},
		},
		"names without spaces around": {
			[]string{"用户王芳登录成功", "用户李伟登录成功", "用户欧阳娜娜登录成功", "用户王芳登录失败", "用户李伟登录失败", "用户欧阳娜娜登录失败"},
			[]string{"用户*登录失败", "用户*登录成功"},
		},
		"what happened is no name without spaces around": {
			[]string{"任务启动请求", "任务停止请求", "任务取消请求", "服务启动请求", "服务停止请求", "服务取消请求"},
			[]string{"任务停止请求", "任务取消请求", "任务启动请求", "服务停止请求", "服务取消请求", "服务启动请求"},
		},
		"words of another script": {
			[]string{"缓存cart未命中", "缓存orders未命中", "缓存web未命中"},
			[]string{"缓存*未命中"},
		},
		"sentences with a number are sentences": {
			[]string{"バッチ cart を開始します", "バッチ cart が終了しました：12件"},
			[]string{"バッチ cart が終了しました：*件", "バッチ cart を開始します"},
		},
		"values of keys": {
			[]string{"login uid=anna host=web state=ok", "login uid=bert host=db state=failed"},
			[]string{"login uid=* host=* state=*"},
		},
		"the words of a logfmt message stay": {
			[]string{`ts=1 level=info msg="cache is cold" key="a b c"`, `ts=2 level=warn msg="cache is warm" key="d e"`},
			[]string{`ts=* level=* msg="cache is cold" key="*"`, `ts=* level=* msg="cache is warm" key="*"`},
		},
		"paths and hosts": {
			[]string{"cannot open /etc/passwd on www.example.com", "cannot open /var/log/messages on mail.example.org"},
			[]string{"cannot open * on *"},
		},
		"lists of any length": {
			[]string{"commits [1, 2, 3] done", "commits [4, 5, 6, 7] done", "commits [8, 9, 10, 11, 12] done"},
			[]string{"commits [*] done"},
		},
		"JSON by its keys": {
			[]string{`{"user":"anna","n":1,"tags":["a","b"],"msg":"came in"}`, `{"user":"bert","n":22,"tags":["c","d","e"],"msg":"came in"}`, `{"user":"bert","n":22,"tags":[],"msg":"went out"}`},
			[]string{"user:* n:* msg: went out", "user:* n:* tags[]:* msg: came in"},
		},
		"JSON that is cut off": {
			[]string{`{"user":"anna","n":1,"te`, `{"user":"bert","n":2,"text":"so`},
			[]string{"user:* n:* text: so", "user:* n:* …"},
		},
		"several lines": {
			[]string{"Exception in worker: broken pipe\n\tat A.b(A.java:12)\n\tat C.d(C.java:7)", "Exception in worker: broken pipe\n\tat X.y(X.java:99)"},
			[]string{"Exception in worker: broken pipe …"},
		},
		"dates": {
			[]string{"built on Mon Jan 12 10:00:01 UTC 2026 here", "built on Fri May 1 11:12:13 CEST 2026 here"},
			[]string{"built on * here"},
		},
		"names of several words": {
			units(),
			[]string{"Failed to start *.", "Finished *.", "Started *.", "Starting *...", "Stopped the scheduler of batch jobs."},
		},
		"names of several words before what varies by its form": {
			[]string{
				"User Alice Smith created account 12", "User Bob van Dyke created account 3", "User Carol created account 4",
				"User Alice Smith deleted account 1", "User Bob van Dyke deleted account 5", "User Carol deleted account 77",
			},
			[]string{"User * created account *", "User * deleted account *"},
		},
		"two names of several words": {
			[]string{
				"Customer Alice Smith from New Zealand placed order 1", "Customer Bob van Dyke from New Zealand placed order 2", "Customer Carol from New Zealand placed order 3",
				"Customer Alice Smith from France placed order 1", "Customer Bob van Dyke from France placed order 2", "Customer Carol from France placed order 3",
				"Customer Alice Smith from United States placed order 1", "Customer Bob van Dyke from United States placed order 2", "Customer Carol from United States placed order 3",
				"Rate for New Zealand updated to 1.2", "Rate for United States updated to 3.1", "Rate for France updated to 2.2",
			},
			[]string{"Customer * from * placed order *", "Rate for * updated to *"},
		},
		"what happened is no name": {
			[]string{
				"session opened for a client", "session closed", "session lost its peer", "connection opened for a client", "connection closed", "connection lost its peer",
			},
			[]string{"connection closed", "connection lost its peer", "connection opened for a client", "session closed", "session lost its peer", "session opened for a client"},
		},
		"reasons": {
			[]string{"payment declined: card expired", "payment declined: insufficient funds", "payment declined: fraud", "payment declined: do not honour", "payment declined: code 7 of the bank"},
			[]string{"payment declined: *"},
		},
		"reasons in brackets and quotes": {
			[]string{
				"Aborted connection 1 (Got an error reading packets).", "Aborted connection 2 (Got timeout reading packets).", "Aborted connection 3 (Got signal).",
				`sync of a failed because of "no route", trying again`, `sync of a failed because of "peer is gone (2)", trying again`, `sync of a failed because of "timeout after 3 s", trying again`,
			},
			[]string{"Aborted connection * (*).", `sync of a failed because of "*", trying again`},
		},
		"reasons between commas": {
			[]string{"Server 1 was stopped, reason: connect failed, info: \"refused\", check took 1 ms.", "Server 2 was stopped, reason: timeout, check took 7 ms.", "Server 2 was stopped, reason: status 503, check took 7 ms."},
			[]string{"Server * was stopped, reason: *, check took * ms."},
		},
		"reasons behind keys": {
			[]string{
				`{"error":"card is declined","n":1,"msg":"no payment"}`, `{"error":"unknown","n":2,"msg":"no payment"}`, `{"error":"limit of 5 reached","n":3,"msg":"no payment"}`,
				`event=login user=anna reason="wrong password"`, `event=login user=bert reason="locked"`, `event=login user=carl reason="no such user"`,
			},
			[]string{"error: * n:* msg: no payment", `event=login user=* reason="*"`},
		},
		"two are no reasons": {
			[]string{"payment declined: card expired", "payment declined: insufficient funds in it"},
			[]string{"payment declined: card expired", "payment declined: insufficient funds in it"},
		},
		"what a program says is no reason": {
			[]string{
				`ts=1 msg="cache is cold"`, `ts=1 msg="worker has started"`, `ts=1 msg="queue was emptied again"`, "web: cache is cold", "web: worker has started", "web: queue was emptied again",
				`{"t":1,"msg":"cache is cold"}`, `{"t":1,"msg":"worker has started"}`, `{"t":1,"msg":"queue was emptied again"}`,
			},
			[]string{
				"t:* msg: cache is cold", "t:* msg: queue was emptied again", "t:* msg: worker has started", `ts=* msg="cache is cold"`, `ts=* msg="queue was emptied again"`, `ts=* msg="worker has started"`,
				"web: cache is cold", "web: queue was emptied again", "web: worker has started",
			},
		},
		"rows with quotes": {
			[]string{`1,"anna","web",LOG,"no ""x"", retry",,,"the client"`, `2,"bert","a, b",LOG,"no ""x"", retry",,,"psql"`, `1,"anna","web",LOG,"door opened",,,"psql"`, `"a","b" and "c","d",e,f,g`},
			[]string{`"a","b" and "c","d",e,f,g`, `*, "*", LOG, "door opened", , "*"`, `*, "*", LOG, "no ""x"", retry", , "*"`},
		},
		"a dash is a value that is not there": {
			[]string{"10.0.0.1 - reads /a/b/c", "10.0.0.1 anna reads /a/b/c", "10.0.0.1 bert reads /a/b/c", "10.0.0.1 carl reads /a/b/c", "10.0.0.1 dora reads /a/b/c"},
			[]string{"* * reads *"},
		},
		"codes in front of a slash": {
			[]string{"5 TCP_MISS/200 to 7", "5 TCP_DENIED/403 to 7", "5 A/3 to 7"},
			[]string{"* TCP_DENIED/* to *", "* TCP_MISS/* to *", "* to *"},
		},
		"names that come first": {
			[]string{
				"anna opened file 1", "bert opened file 1", "carl opened file 1", "dora opened file 1", "emil opened file 1", "fred opened file 1", "gust opened file 1", "hugo opened file 1", "ivan opened file 1", "jost opened file 1", "karl opened file 1", "lena opened file 1", "mara opened file 1", "nora opened file 1",
			},
			[]string{"* opened file *"},
		},
		"the exception of a traceback": {
			[]string{
				"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nKeyError: 12", "Traceback (most recent call last):\n  File \"b.py\", line 9, in h\n    g()\nKeyError: 7\n",
				"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nValueError: bad",
			},
			[]string{"Traceback (most recent call last): … KeyError: *", "Traceback (most recent call last): … ValueError: bad"},
		},
		"a script without spaces": {
			[]string{"订单953支付成功，金额325.024元", "订单7支付成功，金额2元", "订单953支付失败：余额不足", "数据库连接超时，重试第6次"},
			[]string{"数据库连接超时，重试第*次", "订单*支付失败：余额不足", "订单*支付成功，金额*元"},
		},
		"empty": {[]string{"", " \n "}, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := texts(c.messages...); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// units are messages of a service manager: what is started has names of several words.
func units() []string {
	all := []string{"Stopped the scheduler of batch jobs."}
	for _, unit := range []string{"Rotate log files", "Hostname Service", "Cleanup of Temporary Directories", "Journal", "Message of the Day"} {
		all = append(all, "Starting "+unit+"...", "Started "+unit+".", "Finished "+unit+".", "Failed to start "+unit+".")
	}
	return all
}

// statements generates messages of a few statements with names that have no digit.
func statements(r *rand.Rand, n int) []string {
	name := func() string {
		out := make([]byte, 3+r.IntN(6))
		for i := range out {
			out[i] = "bcdfglmnprstaeiou"[r.IntN(17)]
		}
		return string(out)
	}
	units := []string{"Rotate log files", "Hostname Service", "Cleanup of Temporary Directories", "Journal"}
	all := make([]string, n)
	for i := range all {
		switch r.IntN(8) {
		case 6:
			all[i] = fmt.Sprintf("Started %s.", units[r.IntN(len(units))])
		case 7:
			all[i] = fmt.Sprintf("Stopped %s.", units[r.IntN(len(units))])
		case 0:
			all[i] = fmt.Sprintf("user %s logged in from %d.0.0.1", name(), r.IntN(255))
		case 1:
			all[i] = fmt.Sprintf("user %s logged out after %d s", name(), r.IntN(255))
		case 2:
			all[i] = fmt.Sprintf("cannot open file %s: no such file", name())
		case 3:
			all[i] = fmt.Sprintf("queue=%s depth=%d state=%s", name(), r.IntN(99), name())
		case 4:
			all[i] = fmt.Sprintf(`{"id":%d,"who":"%s"}`, r.IntN(99), name())
		default:
			all[i] = "shutting down"
		}
	}
	return all
}

// TestManyNamesInside: of more names than are looked at the places are found all the same.
func TestManyNamesInside(t *testing.T) {
	letters := []rune("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗")
	n := len(letters)
	var messages []string
	for i := range n * n * n {
		if i%3 != 0 {
			continue
		}
		name := string([]rune{letters[i%n], letters[i/n%n], letters[i/n/n]})
		messages = append(messages, "用户"+name+"登录成功", "用户"+name+"登录失败")
	}
	if have, want := texts(messages...), []string{"用户*登录失败", "用户*登录成功"}; !slices.Equal(have, want) {
		t.Errorf("%d patterns: %q", len(have), have[:min(len(have), 5)])
	}
}

// TestNamesInColumns: names that tell nothing of each other are variables, with no word before
// them that says so; words of which one tells another, and words that say what happened, are
// statements.
func TestNamesInColumns(t *testing.T) {
	zones, rules := []string{"dmz", "inside", "management", "outside"}, []string{"audit", "billing", "cart", "catalog", "ledger", "mailer", "orders", "profile"}
	random := rand.New(rand.NewPCG(1, 1))
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	var free, tied, acts []string
	for range 600 {
		free = append(free, fmt.Sprintf("flow session entry source rule %s %s %s none", pick(rules), pick(zones), pick(zones)))
		one := random.IntN(4)
		tied = append(tied, fmt.Sprintf("flow session entry source rule %s %s %s none", rules[one], zones[one], []string{"north", "south", "east", "west"}[one]))
		acts = append(acts, fmt.Sprintf("flow session entry source rule %s %s %s none", pick([]string{"opened", "closed", "denied"}), pick(rules), pick(zones)))
	}
	if got := texts(free...); !slices.Equal(got, []string{"flow session entry source rule * * * none"}) {
		t.Errorf("in all combinations: %q", got)
	}
	if got := texts(tied...); len(got) != 4 {
		t.Errorf("of which one tells the others: %q", got)
	}
	if got := texts(acts...); len(got) != 3 || slices.ContainsFunc(got, func(text string) bool { return !strings.Contains(text, "ed * * none") }) {
		t.Errorf("of what happened: %q", got)
	}
}

// TestOrderAndRepeatsDoNotMatter learns the same messages in many orders.
func TestOrderAndRepeatsDoNotMatter(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		messages := statements(r, 300)
		want := forms(learn(nil, messages...))
		messages = append(messages, messages[:100]...)
		r.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
		if got := forms(learn(nil, messages...)); !slices.Equal(got, want) {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func forms(set *pattern.Set) (all []string) {
	for _, p := range set.Patterns() {
		all = append(all, p.ID+" "+p.Text)
	}
	return all
}

// TestLearningGoesOn learns in pieces, each time of all that came until then: what one
// set covers the next one covers, an id that a set had leads to the pattern that its
// messages have now, and in the end there are the patterns that learning all at once
// gives, also from saved sets.
func TestLearningGoesOn(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		messages := statements(r, 400)
		var set *pattern.Set
		given := map[string]string{} // id -> a message that had it
		for from := 0; from < len(messages); {
			to := min(len(messages), from+1+r.IntN(60))
			if data := set.Encode(); r.IntN(2) == 0 {
				restored, err := pattern.Decode(data)
				if err != nil || !restored.Equal(set) {
					t.Fatalf("seed %d: a saved set comes back as another: %v", seed, err)
				}
				set = restored
			}
			set = learn(set, messages[:to]...)
			from = to
			for _, m := range messages[:to] {
				p := set.Of(outlined(m))
				if slices.Contains(set.Patterns(), p) && given[p.ID] == "" {
					given[p.ID] = m
				}
			}
			for id, m := range given {
				if now, want := set.Now(id), set.Of(outlined(m)).ID; now != want {
					t.Fatalf("seed %d: %s leads to %s, its message %q has %s", seed, id, now, m, want)
				}
			}
		}
		if got, want := forms(set), forms(learn(nil, messages...)); !slices.Equal(got, want) {
			t.Fatalf("seed %d: in pieces\n%s\nat once\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestIDs fixes ids: they are in saved queries.
func TestIDs(t *testing.T) {
	set := learn(nil, "invalid user anna from 10.0.0.1", "invalid user bert from 10.0.0.2", "invalid user claire from 10.0.0.3")
	for message, want := range map[string]string{
		"invalid user dora from 10.0.0.9": "a0861960a137628b",
		"took 12 ms":                      "16423d8ee30d379d",
	} {
		if got := set.Of(outlined(message)).ID; got != want {
			t.Errorf("%q has the id %s, want %s", message, got, want)
		}
	}
	var none *pattern.Set
	if got, want := none.Of(outlined("took 12 ms")), set.Of(outlined("took 999 ms")); got.ID != want.ID {
		t.Errorf("without a set the id is %s, with one %s", got.ID, want.ID)
	}
}

// TestMapperIsOf compares the mapper, which remembers, with sets that do not.
func TestMapperIsOf(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	set := learn(nil, statements(r, 100)...)
	mapper := set.Mapper()
	for _, m := range append(statements(r, 500), "something else", "something else") {
		if got, want := mapper.Of(outlined(m)), set.Of(outlined(m)); got.ID != want.ID || got.Text != want.Text {
			t.Fatalf("%q: mapper says %s %q, set %s %q", m, got.ID, got.Text, want.ID, want.Text)
		}
	}
}

// TestOutlineStays checks that the id which a message had before anything was learned
// can be told ever after.
func TestOutlineStays(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	messages := statements(r, 300)
	var none *pattern.Set
	mapper := learn(nil, messages...).Mapper()
	learned := 0
	for _, m := range messages {
		now, outline := mapper.Both(outlined(m))
		if before := none.Of(outlined(m)); outline.ID != before.ID || outline.Text != before.Text {
			t.Fatalf("%q had %s, now its outline is %s", m, before.ID, outline.ID)
		}
		if now != outline {
			learned++
		}
	}
	if learned == 0 {
		t.Fatal("nothing was learned: the test is broken")
	}
}

// TestOutlinesAreBounded looks at objects whose values have long names: their
// outlines are not many times as long as they are.
func TestOutlinesAreBounded(t *testing.T) {
	var keys strings.Builder
	for first := 'a'; first <= 'z'; first++ {
		for second := 'a'; second <= 'h'; second++ {
			keys.WriteString(`"` + string(first) + string(second) + `":1,`)
		}
	}
	for what, open := range map[string]string{
		"deep":  `{"a":` + strings.Repeat("[", pattern.TextMax/2) + "{",
		"long":  `{"` + strings.Repeat("a", pattern.TextMax/2) + `":{`,
		"equal": `{"` + strings.Repeat("a", pattern.TextMax/2) + `":[` + strings.Repeat("1,", 1000) + "{",
	} {
		if form := pattern.Outlines([]string{open + keys.String()})[0]; len(form) > 8*pattern.TextMax {
			t.Errorf("%s: the outline of at most %d bytes has %d", what, pattern.TextMax, len(form))
		}
	}
	row := strings.Repeat("a,b,c,d,e,", 30)
	for what, text := range map[string]string{"a row": row, "a row in text": "read " + row + " done", "two rows": row + " " + row} {
		if form := pattern.Outlines([]string{text})[0]; strings.Count(form, " ") != pattern.TokensMax || !strings.HasSuffix(form, " …") {
			t.Errorf("%s: the outline has %d tokens: %q", what, strings.Count(form, " ")+1, form)
		}
	}
}

// TestSetsAreBounded learns more patterns than a set may have.
func TestSetsAreBounded(t *testing.T) {
	var forms []string
	all := 0
	for i := range 250 {
		for _, name := range []string{"anna", "bert", "claire"} {
			form := strings.Repeat("averylongwordthatsayslittle ", i+2) + "user " + name
			forms, all = append(forms, form), all+len(form)/3
		}
	}
	var none *pattern.Set
	set := none.Learn(forms)
	if n := len(set.Patterns()); n < 10 || n >= 250 || all < pattern.FormsMax {
		t.Errorf("the set has %d patterns of %d bytes in all", n, all)
	}
	if data := set.Encode(); len(data) > pattern.SetMax {
		t.Errorf("its saved form has %d bytes, the most is %d", len(data), pattern.SetMax)
	} else if restored, err := pattern.Decode(data); err != nil || !restored.Equal(set) {
		t.Errorf("it does not come back: %v", err)
	}
}

// TestEveryFlipOfASetIsFound flips each bit of a saved set.
func TestEveryFlipOfASetIsFound(t *testing.T) {
	data := learn(nil, statements(rand.New(rand.NewPCG(5, 5)), 100)...).Encode()
	for i := range 8 * len(data) {
		flipped := slices.Clone(data)
		flipped[i/8] ^= 1 << (i % 8)
		if _, err := pattern.Decode(flipped); err == nil {
			t.Fatalf("bit %d: no error", i)
		}
	}
}
