package labelled

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/stere-log/stere/meaning"
)

// Line is a text of which it is known what attack it shows, "" for none.
type Line struct {
	Text   string
	Attack meaning.Attack
}

// agent is what most browsers say.
const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"

// Attacks returns all payloads in the lines and the encodings in which they are met, and
// as many kinds of lines that show none.
func Attacks() []Line {
	var lines []Line
	for _, p := range payloads {
		for i, text := range p.texts {
			for _, line := range carried(p.attack, text, i) {
				lines = append(lines, Line{line, p.attack})
			}
		}
	}
	for i, name := range agents {
		lines = append(lines, Line{access("/", 404, name, i), meaning.Scanner})
	}
	for i, text := range harmless {
		lines = append(lines, Line{Text: text})
		if path, ok := strings.CutPrefix(text, "GET "); ok {
			lines = append(lines, Line{Text: access(strings.TrimSuffix(path, " HTTP/1.1"), 200, agent, i)})
		} else {
			lines = append(lines, Line{Text: "2024-01-31T10:00:00Z INFO worker-7 " + text}, Line{Text: access("/search?q="+url.QueryEscape(plainWords(text)), 200, agent, i)})
		}
	}
	return lines
}

// plainWords returns the words of a text.
func plainWords(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }), " ")
}

// access returns a line of an access log.
func access(path string, status int, agent string, n int) string {
	return fmt.Sprintf(`203.0.113.%d - - [31/Jan/2024:10:%02d:00 +0000] "GET %s HTTP/1.1" %d %d "-" "%s"`, n%250, n%60, path, status, 100+n, agent)
}

// carried returns the lines in which a payload is met.
func carried(attack meaning.Attack, text string, n int) []string {
	twice := url.QueryEscape(url.QueryEscape(text))
	entities := strings.NewReplacer("<", "&lt;", ">", "&#62;", `"`, "&quot;", "'", "&#x27;").Replace(text)
	switch attack {
	case meaning.Scanner, meaning.WebShell:
		return []string{access(text, 404, agent, n), access(text, 200, "curl/8.5.0", n+1), fmt.Sprintf(`{"event":"http","url":%q,"status":404}`, text)}
	case meaning.SSRF:
		name, value, _ := strings.Cut(text, "=")
		return []string{access("/fetch"+text, 200, agent, n), access("/fetch"+name+"="+url.QueryEscape(value), 200, agent, n+1), "request GET /proxy" + text + " from 203.0.113.9"}
	case meaning.Log4Shell:
		return []string{access("/", 200, text, n), access("/?x="+url.QueryEscape(text), 404, agent, n), "User-Agent: " + text, "login failed for user " + text}
	case meaning.XXE:
		return []string{"request body: " + text, access("/xml?d="+url.QueryEscape(text), 200, agent, n), fmt.Sprintf(`{"path":"/soap","body":%q}`, text)}
	}
	return []string{
		access("/item?id=7&x="+url.QueryEscape(text), 200, agent, n), access("/item?x="+twice, 500, agent, n+1),
		access("/item?x="+strings.ReplaceAll(url.PathEscape(text), "%2F", "/"), 403, agent, n+2), fmt.Sprintf(`{"method":"POST","uri":"/login","payload":%q}`, text),
		"blocked request GET /search?term=" + strings.ReplaceAll(text, " ", "+") + " HTTP/1.1", "request parameter name=" + entities + " refused",
	}
}

// Figures say how well something is found.
type Figures struct {
	Right, Missed, Wrong int // Wrong are found where there is none, or another one
}

// Precision is the share of what was found that is right.
func (f Figures) Precision() float64 { return share(f.Right, f.Right+f.Wrong) }

// Recall is the share of what there is that was found.
func (f Figures) Recall() float64 { return share(f.Right, f.Right+f.Missed) }

func share(part, all int) float64 {
	if all == 0 {
		return 1
	}
	return float64(part) / float64(all)
}

// Measure looks for attacks in lines. A line may show more than what it is labelled with,
// as a web shell that is given a command; in a line that shows none, any is wrong.
func Measure(lines []Line, miss func(Line, []meaning.Finding)) map[meaning.Attack]Figures {
	all := map[meaning.Attack]Figures{}
	for _, line := range lines {
		found := meaning.Attacks(line.Text)
		if line.Attack == "" {
			for _, f := range found {
				figures := all[f.Attack]
				figures.Wrong++
				all[f.Attack] = figures
			}
			if len(found) > 0 {
				miss(line, found)
			}
			continue
		}
		figures := all[line.Attack]
		if slices.ContainsFunc(found, func(f meaning.Finding) bool { return f.Attack == line.Attack }) {
			figures.Right++
		} else {
			figures.Missed++
			miss(line, found)
		}
		all[line.Attack] = figures
	}
	return all
}

// Total adds figures.
func Total(of map[meaning.Attack]Figures) (all Figures) {
	for _, f := range of {
		all.Right, all.Missed, all.Wrong = all.Right+f.Right, all.Missed+f.Missed, all.Wrong+f.Wrong
	}
	return all
}
