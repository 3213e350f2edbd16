package ndjson

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/model"
)

// scanner walks over one body.
type scanner struct {
	parser *pipeline.Parser
	text   string
	at     int
	out    Decoded

	line   int // 1-based line of lineAt
	lineAt int // an offset whose line is known

	inArray bool // between the '[' and ']' of an array of records
	singles int  // objects outside arrays that were read or refused whole
	wasted  int  // bytes read in vain behind the lines of broken records
	byLine  bool // too much was wasted: a record must end on its line
	memory  int  // bytes of the records

	endFrom, endAt int // the line that lineEnd found last
}

// hintBytes is how small records may be on average for all room to be made at
// once.
const hintBytes = 128

// recordsHintMax is beyond which room for more records is made as they come: a
// list that was so long already has room for most bodies.
const recordsHintMax = 512

// byteOrderMark may start a body.
const byteOrderMark = "\xef\xbb\xbf"

func newScanner(p *pipeline.Parser, dst []model.Record, body []byte, now time.Time) *scanner {
	text := unsafe.String(unsafe.SliceData(body), len(body))
	text = strings.TrimPrefix(text, byteOrderMark)
	p.Begin(now, len(text))
	s := &scanner{parser: p, text: text, line: 1, endAt: -1}
	s.out.Records = dst
	if hint := len(text)/hintBytes + 1; hint > cap(dst)-len(dst) && cap(dst) < recordsHintMax {
		s.out.Records = slices.Grow(dst, min(strings.Count(text, "\n")+1, hint))
	}
	return s
}

// run reads the whole body.
func (s *scanner) run() error {
	for s.next() {
		if err := s.element(); err != nil {
			return err
		}
	}
	if s.inArray {
		return s.refuse(s.at, "", "array does not end: the body is cut off")
	}
	return nil
}

// next moves to the start of the next record, over white space and the
// punctuation of arrays, and reports whether there is one.
func (s *scanner) next() bool {
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n', ',':
		case '[':
			if s.inArray {
				return true // an array in an array is no record
			}
			s.inArray = true
			s.singles = 2
		case ']':
			if !s.inArray {
				return true
			}
			s.inArray = false
		default:
			return true
		}
	}
	return false
}

// element reads what should be a record.
func (s *scanner) element() error {
	start := s.at
	if s.text[start] != '{' {
		return s.garbage()
	}
	if !s.inArray {
		s.singles++
	}
	text := s.text
	if s.byLine {
		text = text[:s.lineEnd(start)]
	}
	rec, end, fault := s.parser.Parse(text, start)
	s.at = end
	if fault != nil {
		s.at = s.resume(start, end, fault.Syntax)
	}
	return s.take(rec, fault, start)
}

// resume says where to go on after a record that starts at start, is refused
// and was read up to read. A record on one line spoils that line only; so does
// one that runs on into the next line, because the next line may be whole. Only
// an object that is plainly spread over lines, or an element of an array, is
// left at its closing bracket, if it has one.
func (s *scanner) resume(start, read int, broken bool) int {
	lineEnd := s.lineEnd(start)
	if !broken && read <= lineEnd {
		return read
	}
	if !s.byLine && (s.inArray || s.spread(start, lineEnd)) {
		if !broken {
			return read
		}
		if end := pipeline.Skip(s.text, start); end >= 0 && s.follows(end) {
			return end
		}
		s.waste(len(s.text) - lineEnd)
	}
	s.waste(read - lineEnd)
	return min(lineEnd+1, len(s.text))
}

// spread reports whether nothing but a brace is on the line of an object.
func (s *scanner) spread(start, lineEnd int) bool {
	for i := start + 1; i < lineEnd; i++ {
		if c := s.text[i]; c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// follows reports whether a record may end before at: only an end of line, a
// comma, a bracket or the end of the text follows.
func (s *scanner) follows(at int) bool {
	rest := s.text[at:]
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case ' ', '\t', '\r':
			continue
		case '\n', ',', ']':
			return true
		}
		return false
	}
	return true
}

// waste counts bytes that were read in vain. Once they are as many as the body
// has, records must end on their line, which keeps the work linear.
func (s *scanner) waste(n int) {
	if n > 0 {
		s.wasted += n
		s.byLine = s.byLine || s.wasted > len(s.text)
	}
}

// garbage rejects what is not an object: in an array up to the next comma or
// the end of the array, else the rest of the line.
func (s *scanner) garbage() error {
	start := s.at
	s.singles = 2
	end := s.lineEnd(start)
	s.at = min(end+1, len(s.text))
	if s.inArray {
		s.at = s.elementEnd(start, end)
	}
	if s.described() {
		return s.refuse(start, "", "not a JSON object")
	}
	// What is shown is redacted before it is cut: half a secret is none to the
	// detectors.
	shown := s.parser.Redacted(strings.ToValidUTF8(s.text[start:min(end, start+redactedMax)], "\uFFFD"))
	shown = shown[:min(len(shown), shownMax)]
	return s.refuse(start, "", fmt.Sprintf("not a JSON object: %q", shown))
}

// shownMax is how many bytes of garbage a message shows, redactedMax how many are
// looked at for secrets.
const (
	shownMax    = 40
	redactedMax = 4096
)

// elementEnd returns where the array element at start ends; it is at most end.
func (s *scanner) elementEnd(start, end int) int {
	if s.text[start] == '[' {
		if after := pipeline.Skip(s.text[:end], start); after >= 0 {
			return after
		}
		return end
	}
	inString := false
	for i := start; i < end; i++ {
		switch c := s.text[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++
		case !inString && (c == ',' || c == ']'):
			return i
		}
	}
	return end
}

// take keeps a record or its fault.
func (s *scanner) take(rec model.Record, fault *pipeline.Fault, start int) error {
	if fault == nil {
		line := s.lineOf(start)
		s.out.Records = append(s.out.Records, rec)
		s.out.Lines = append(s.out.Lines, line)
		s.memory += recordBytes + len(rec.Fields)*fieldBytes
		if s.memory > MemoryMax {
			return ErrTooLarge
		}
		return nil
	}
	return s.refuse(start, fault.Field, fault.Message)
}

// described reports whether no more rejections are described.
func (s *scanner) described() bool { return len(s.out.Rejected) >= RejectionsMax }

// refuse counts a refused record. It returns nil for its callers' sake.
func (s *scanner) refuse(start int, field, message string) error {
	s.out.Refused++
	if !s.described() {
		s.out.Rejected = append(s.out.Rejected, Rejection{Line: s.lineOf(start), Field: field, Message: message})
	}
	return nil
}

// What a record and a field take in memory; a record counts twice because
// slices grow by doubling.
const (
	recordBytes = 2 * int(unsafe.Sizeof(model.Record{})+unsafe.Sizeof(int(0)))
	fieldBytes  = int(unsafe.Sizeof(model.Field{}))
)

// lineEnd returns the offset of the line feed that ends the line of at.
func (s *scanner) lineEnd(at int) int {
	if at >= s.endFrom && at <= s.endAt {
		return s.endAt
	}
	s.endFrom, s.endAt = at, len(s.text)
	if i := strings.IndexByte(s.text[at:], '\n'); i >= 0 {
		s.endAt = at + i
	}
	return s.endAt
}

// lineOf returns the 1-based line of an offset not before the last asked for.
func (s *scanner) lineOf(at int) int {
	s.line += strings.Count(s.text[s.lineAt:at], "\n")
	s.lineAt = at
	return s.line
}
