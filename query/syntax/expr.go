package syntax

import (
	"strconv"
	"strings"
	"unicode"
)

// ExprNodesMax is how many operands and operators one expression has at most.
const ExprNodesMax = 1_000

// Expr is an expression of where, eval and fill: Literal, Ref, Unary, Binary or
// Call.
type Expr interface{ expr() }

// Literal is a value as typed.
type Literal struct {
	Pos  Pos
	Kind LiteralKind
	Text string // of numbers, durations and texts
}

// LiteralKind says what a literal is.
type LiteralKind uint8

// The kinds of literals.
const (
	LiteralNull LiteralKind = iota
	LiteralTrue
	LiteralFalse
	LiteralNumber
	LiteralDuration
	LiteralText
)

// Ref is the value of a field or column.
type Ref struct {
	Pos  Pos
	Name string
	// Call says that it was typed like a call, as the columns of stats are:
	// count(), max(duration).
	Call bool
}

// Unary is - or not before an operand.
type Unary struct {
	Pos Pos
	Op  string // "-" or "not"
	X   Expr
}

// Binary is an operator between operands.
type Binary struct {
	Pos  Pos    // of the operator
	Op   string // or and == != < <= > >= + - * / %
	X, Y Expr
}

// Call is a function of arguments.
type Call struct {
	Pos  Pos
	Func string
	Args []Expr
}

func (Literal) expr() {}
func (Ref) expr()     {}
func (Unary) expr()   {}
func (Binary) expr()  {}
func (Call) expr()    {}

// exprFunc is a function of expressions and how many arguments it takes.
type exprFunc struct {
	name      string
	low, high int
}

// exprFuncs are the functions there are.
var exprFuncs = []exprFunc{
	{"lower", 1, 1}, {"upper", 1, 1}, {"length", 1, 1}, {"substr", 2, 3}, {"concat", 1, ListMax}, {"replace", 3, 3}, {"split", 2, 3},
	{"contains", 2, 2}, {"starts_with", 2, 2}, {"ends_with", 2, 2}, {"matches", 2, 2}, {"trim", 1, 1},
	{"if", 2, 3}, {"case", 2, ListMax}, {"coalesce", 1, ListMax},
	{"abs", 1, 1}, {"round", 1, 2}, {"floor", 1, 1}, {"ceil", 1, 1},
	{"now", 0, 0}, {"format_time", 1, 2}, {"bucket", 2, 2}, {"to_number", 1, 1}, {"to_string", 1, 1}, {"to_time", 1, 1},
}

// exprFuncNamed returns the function with a name.
func exprFuncNamed(name string) (exprFunc, bool) {
	for _, f := range exprFuncs {
		if f.name == name {
			return f, true
		}
	}
	return exprFunc{}, false
}

// ExprFuncs returns the names of the functions of expressions.
func ExprFuncs() []string {
	names := make([]string, len(exprFuncs))
	for i, f := range exprFuncs {
		names[i] = f.name
	}
	return names
}

// meantFunc maps names of functions from other languages to ours.
var meantFunc = map[string]string{
	"len": "length", "strlen": "length", "tolower": "lower", "toupper": "upper", "lcase": "lower", "ucase": "upper", "substring": "substr",
	"strcat": "concat", "iff": "if", "iif": "if", "isnull": "x == null", "isnotnull": "x != null", "is_null": "x == null", "tonumber": "to_number",
	"toint": "to_number", "tostring": "to_string", "strftime": "format_time", "bin": "bucket", "ifnull": "coalesce", "match": "matches",
	"regex": "matches", "startswith": "starts_with", "endswith": "ends_with", "has": "contains", "todatetime": "to_time", "strptime": "to_time",
}

// SuggestFunc returns the function that was perhaps meant, "" if none.
func SuggestFunc(name string) string {
	if s, ok := meantFunc[strings.ToLower(name)]; ok {
		return s
	}
	return Nearest(name, ExprFuncs())
}

// exprLevel is how tight an operator binds, "" none.
func exprLevel(op string) int {
	switch op {
	case "or":
		return levelOr
	case "and":
		return levelAnd
	case "not":
		return levelNot
	case "==", "!=", "<", "<=", ">", ">=":
		return levelCompare
	case "+", "-":
		return levelAdd
	case "*", "/", "%":
		return levelMultiply
	}
	return levelNone
}

// How tight operators bind, loosest first.
const (
	levelNone = iota
	levelOr
	levelAnd
	levelNot
	levelCompare
	levelAdd
	levelMultiply
	levelSign
	levelOperand
)

// expression reads an expression.
func (p *parser) expression() (Expr, error) {
	nodes := 0
	e, err := p.exprFrom(levelOr, &nodes)
	return e, err
}

// exprFrom reads operators that bind at least as tight as a level, from the
// left.
func (p *parser) exprFrom(level int, nodes *int) (Expr, error) {
	if level == levelNot {
		return p.exprNot(nodes)
	}
	if level == levelSign {
		return p.exprSign(nodes)
	}
	x, err := p.exprFrom(level+1, nodes)
	if err != nil {
		return nil, err
	}
	for {
		op, size := p.operator()
		if op == "" || exprLevel(op) != level {
			return x, nil
		}
		at := Pos(p.pos)
		p.pos += size
		p.space()
		if err := p.exprCount(nodes); err != nil {
			return nil, err
		}
		y, err := p.exprFrom(level+1, nodes)
		if err != nil {
			return nil, err
		}
		x = Binary{Pos: at, Op: op, X: x, Y: y}
		if level == levelCompare {
			return x, nil
		}
	}
}

// exprCount counts one more part of an expression.
func (p *parser) exprCount(nodes *int) error {
	if *nodes++; *nodes > ExprNodesMax {
		return p.fail("the expression has more than %d parts", ExprNodesMax)
	}
	return nil
}

// exprNot reads an operand of and.
func (p *parser) exprNot(nodes *int) (Expr, error) {
	at := Pos(p.pos)
	switch {
	case p.exprWord("not"):
	case p.has("!") && !p.has("!="):
		p.pos++
		p.space()
	default:
		return p.exprFrom(levelCompare, nodes)
	}
	return p.exprUnary(at, "not", levelNot, nodes)
}

// exprSign reads an operand of a multiplication.
func (p *parser) exprSign(nodes *int) (Expr, error) {
	at := Pos(p.pos)
	if !p.take("-") {
		return p.operandOf(nodes)
	}
	p.space()
	return p.exprUnary(at, "-", levelSign, nodes)
}

// exprUnary reads what an operator stands before.
func (p *parser) exprUnary(at Pos, op string, level int, nodes *int) (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if err := p.exprCount(nodes); err != nil {
		return nil, err
	}
	x, err := p.exprFrom(level, nodes)
	return Unary{Pos: at, Op: op, X: x}, err
}

// exprOps are the operators between operands, the longer ones first.
var exprOps = [...]struct{ text, op string }{
	{"||", "or"}, {"&&", "and"}, {"==", "=="}, {"!=", "!="}, {"<=", "<="}, {">=", ">="}, {"<>", "!="},
	{"<", "<"}, {">", ">"}, {"=", "=="}, {"+", "+"}, {"-", "-"}, {"*", "*"}, {"/", "/"}, {"%", "%"},
}

// operator returns the operator that stands here, "" if none.
func (p *parser) operator() (op string, size int) {
	for _, o := range exprOps {
		if p.has(o.text) {
			return o.op, len(o.text)
		}
	}
	for _, word := range [...]string{"and", "or"} {
		start := p.pos
		if p.exprWord(word) {
			size = len(word)
			p.pos = start
			return word, size
		}
	}
	return "", 0
}

// exprWord reads a keyword and the white space after it, if it stands here.
func (p *parser) exprWord(word string) bool {
	rest := p.rest()
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return false
	}
	if len(exprName(rest)) > len(word) || strings.HasPrefix(rest[len(word):], "(") && word != "not" && word != "and" && word != "or" {
		return false
	}
	p.pos += len(word)
	p.space()
	return true
}

// exprName returns the field name at the start of a text, "" if none. Unlike
// names elsewhere it has no '-' and '/', which are operators here.
func exprName(text string) string {
	for i, r := range text {
		if unicode.IsLetter(r) || r == '_' || r == '@' || i > 0 && (unicode.IsDigit(r) || strings.ContainsRune(".$#", r)) {
			continue
		}
		return strings.TrimRight(text[:i], ".$#")
	}
	return strings.TrimRight(text, ".$#")
}

// operandOf reads a literal, a name, a call or an expression in parentheses.
func (p *parser) operandOf(nodes *int) (Expr, error) {
	if err := p.exprCount(nodes); err != nil {
		return nil, err
	}
	at := Pos(p.pos)
	switch rest := p.rest(); {
	case p.has("("):
		return p.exprGroup(nodes)
	case p.has(`"`):
		text, err := p.quotedText()
		p.space()
		return Literal{Pos: at, Kind: LiteralText, Text: text}, err
	case p.has("`"):
		name, _, closed := strings.Cut(rest[1:], "`")
		if !closed || name == "" {
			return nil, p.fail("a name in ` is never closed, or empty").Expect("`a name`")
		}
		p.pos += len(name) + 2
		p.space()
		return Ref{Pos: at, Name: name}, nil
	case rest != "" && rest[0] >= '0' && rest[0] <= '9':
		return p.exprNumber(at)
	}
	for word, kind := range map[string]LiteralKind{"null": LiteralNull, "true": LiteralTrue, "false": LiteralFalse} {
		if p.exprWord(word) {
			return Literal{Pos: at, Kind: kind}, nil
		}
	}
	name := exprName(p.rest())
	if name == "" || exprKeyword(name) {
		return nil, p.fail("a value is missing").Expect("a field", "a number", `a "text"`, "a function", "(")
	}
	p.pos += len(name)
	if p.has("(") {
		return p.exprCall(at, name, nodes)
	}
	p.space()
	return Ref{Pos: at, Name: name}, nil
}

// exprKeyword reports whether a name is an operator.
func exprKeyword(name string) bool {
	switch strings.ToLower(name) {
	case "and", "or", "not", "null", "true", "false":
		return true
	}
	return false
}

// exprNumber reads a number or a duration.
func (p *parser) exprNumber(at Pos) (Expr, error) {
	rest := p.rest()
	n := 0
	for n < len(rest) && (isAlnum(rest[n]) || rest[n] == '.' || (rest[n] == '+' || rest[n] == '-') && (rest[n-1] == 'e' || rest[n-1] == 'E') && isNumber(rest[:n-1])) {
		n++
	}
	text := rest[:n]
	kind := LiteralNumber
	if !isNumber(text) {
		if _, err := ParseDuration(text); err != nil {
			return nil, p.fail("%q is neither a number nor a duration", text).Expect("a number", "30s", "5m", "1h")
		}
		kind = LiteralDuration
	}
	p.pos += n
	p.space()
	return Literal{Pos: at, Kind: kind, Text: text}, nil
}

// isAlnum reports whether a byte is an ASCII letter or digit.
func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// exprGroup reads an expression in parentheses.
func (p *parser) exprGroup(nodes *int) (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	open := Pos(p.pos)
	p.pos++
	p.space()
	e, err := p.exprFrom(levelOr, nodes)
	if err != nil {
		return nil, err
	}
	if !p.takeMark(")") {
		return nil, NewError(p.text, open, "this parenthesis is never closed").Expect(")")
	}
	return e, nil
}

// exprCall reads the arguments of a function, or the column of an aggregate.
func (p *parser) exprCall(at Pos, name string, nodes *int) (Expr, error) {
	f, known := exprFuncNamed(strings.ToLower(name))
	if !known {
		return p.exprColumn(at, name)
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	p.pos++
	p.space()
	call := Call{Pos: at, Func: f.name}
	for !p.has(")") {
		arg, err := p.exprFrom(levelOr, nodes)
		if err != nil {
			return nil, err
		}
		if call.Args = append(call.Args, arg); !p.takeMark(",") {
			break
		}
	}
	if !p.takeMark(")") {
		return nil, p.fail("the call of %s is never closed", f.name).Expect(")", ",", "an operator")
	}
	if n := len(call.Args); n < f.low || n > f.high {
		want := strconv.Itoa(f.low)
		if f.high > f.low {
			want += " to " + strconv.Itoa(f.high)
		}
		return nil, NewError(p.text, at, "%s takes %s arguments, not %d", f.name, want, n)
	}
	return call, nil
}

// exprColumn reads a column that is named like an aggregate: max(duration).
func (p *parser) exprColumn(at Pos, name string) (Expr, error) {
	fault := NewError(p.text, at, "there is no function %q", name).Expect(ExprFuncs()...).Suggest(SuggestFunc(name))
	p.pos++
	p.space()
	argument := ""
	if p.has(`"`) {
		text, err := p.quotedText()
		if err != nil {
			return nil, err
		}
		argument = text
		p.space()
	} else {
		argument = fieldName(p.rest())
		p.pos += len(argument)
		p.space()
	}
	if !p.takeMark(")") {
		return nil, fault
	}
	return Ref{Pos: at, Name: name + "(" + argument + ")", Call: true}, nil
}

// appendExpr prints an expression, in parentheses where it binds looser than
// the level.
func appendExpr(dst []byte, e Expr, level int) []byte {
	own := levelOperand
	switch e := e.(type) {
	case Binary:
		own = exprLevel(e.Op)
	case Unary:
		if own = levelSign; e.Op == "not" {
			own = levelNot
		}
	}
	if own < level {
		return append(appendExpr(append(dst, '('), e, levelNone), ')')
	}
	switch e := e.(type) {
	case Literal:
		return appendLiteral(dst, e)
	case Ref:
		if e.Call {
			return appendColumn(dst, e.Name)
		}
		if exprName(e.Name) == e.Name && !exprKeyword(e.Name) {
			return append(dst, e.Name...)
		}
		return append(append(append(dst, '`'), e.Name...), '`')
	case Unary:
		if dst = append(dst, e.Op...); e.Op == "not" {
			dst = append(dst, ' ')
		}
		return appendExpr(dst, e.X, own)
	case Binary:
		left := own
		if own == levelCompare {
			left++
		}
		dst = append(appendExpr(dst, e.X, left), ' ')
		dst = append(append(dst, e.Op...), ' ')
		return appendExpr(dst, e.Y, own+1)
	case Call:
		dst = append(append(dst, e.Func...), '(')
		for i, arg := range e.Args {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendExpr(dst, arg, levelNone)
		}
		return append(dst, ')')
	}
	return dst
}

// appendColumn prints a column that is named like an aggregate.
func appendColumn(dst []byte, name string) []byte {
	name, argument, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
	dst = append(append(dst, name...), '(')
	if argument != "" {
		dst = appendField(dst, argument)
	}
	return append(dst, ')')
}

func appendLiteral(dst []byte, l Literal) []byte {
	switch l.Kind {
	case LiteralNull:
		return append(dst, "null"...)
	case LiteralTrue:
		return append(dst, "true"...)
	case LiteralFalse:
		return append(dst, "false"...)
	case LiteralText:
		return appendQuoted(dst, l.Text)
	}
	return append(dst, l.Text...)
}

// PrintExpr prints an expression so that it reads as the same again.
func PrintExpr(e Expr) string { return string(appendExpr(nil, e, levelNone)) }

// Conjuncts returns the operands of the outermost and.
func Conjuncts(e Expr) []Expr {
	if b, ok := e.(Binary); ok && b.Op == "and" {
		return append(Conjuncts(b.X), Conjuncts(b.Y)...)
	}
	return []Expr{e}
}
