package meaning

import (
	"bytes"
	"math/bits"
	"regexp"
	"slices"
	"strings"
)

// Attack is what an attack that a text shows is called.
type Attack string

// The attacks, the most dangerous first.
const (
	Log4Shell         Attack = "log4shell"
	CommandInjection  Attack = "command_injection"
	WebShell          Attack = "web_shell"
	SQLInjection      Attack = "sql_injection"
	LDAPInjection     Attack = "ldap_injection"
	XXE               Attack = "xxe"
	TemplateInjection Attack = "template_injection"
	SSRF              Attack = "ssrf"
	PathTraversal     Attack = "path_traversal"
	XSS               Attack = "xss"
	Scanner           Attack = "scanner"
)

// AttackNames lists all attacks.
func AttackNames() []Attack {
	return []Attack{Log4Shell, CommandInjection, WebShell, SQLInjection, LDAPInjection, XXE, TemplateInjection, SSRF, PathTraversal, XSS, Scanner}
}

// Finding is an attack that was found, and by what.
type Finding struct {
	Attack    Attack
	Signature string // in words
}

// signature is how an attack is known: if one of the literals occurs in what a text means
// to a program (decode), the expression decides. The literals have no digits, so that the
// outline of a message has them.
type signature struct {
	attack   Attack
	words    string
	literals []string
	match    *regexp.Regexp
	request  bool // only in texts that show a request
}

// signed is the automaton of the signatures' literals, the group 63 of what shows a
// request.
var signed = func() *literals {
	groups := make([][]string, requestGroup+1)
	for i, s := range signatures {
		groups[i] = s.literals
	}
	groups[requestGroup] = requestMarks
	return newLiterals(groups)
}()

const requestGroup = 63

// requestMarks show that a text tells of a request.
var requestMarks = []string{"http/", "get /", "post /", "put /", "?", "url", "uri", "user-agent", "user_agent", "useragent", "query_string", "payload", "request"}

// Attacks returns the attacks that a text shows, the most dangerous first, each once.
func Attacks(text string) (found []Finding) {
	var room [512]byte
	decoded := decode(room[:0], text[:min(len(text), EvidenceMax)])
	groups := signed.in(decoded)
	request := groups&(1<<requestGroup) != 0 || len(decoded) > 0 && (decoded[0] == '/' || bytes.Contains(decoded, []byte("://")))
	for groups &^= 1 << requestGroup; groups != 0; groups &= groups - 1 {
		s := &signatures[bits.TrailingZeros64(groups)]
		if s.request && !request || slices.ContainsFunc(found, func(f Finding) bool { return f.Attack == s.attack }) {
			continue
		}
		if s.attack == Log4Shell && looksUp(decoded) || s.attack != Log4Shell && s.match.Match(decoded) {
			found = append(found, Finding{s.attack, s.words})
		}
	}
	order := AttackNames()
	slices.SortFunc(found, func(a, b Finding) int { return slices.Index(order, a.Attack) - slices.Index(order, b.Attack) })
	return found
}

// MayAttack reports whether a message with an outline may show an attack. It is wrong in
// that it does not for nothing that Attacks finds.
func MayAttack(outline string) bool {
	for i := 0; i < len(outline); i++ {
		next := byte(0)
		if i+1 < len(outline) {
			next = outline[i+1]
		}
		_, isHex := hex([]byte{next})
		switch c := outline[i]; {
		case (c == '%' || c == '\\') && (classes[next] == classGap || isHex || next|0x20 == 'u' || next|0x20 == 'x'),
			c == '&' && (next == '#' || classes[next] == classLower || classes[next] == classUpper),
			c == '/' && next == '*',
			c == ';' && classes[next] == classGap && i+2 < len(outline) && outline[i+2] == ',',
			classes[c] == classGap && next == '(',
			c == '-' && next|0x20 == 'e', c == '|' && strings.IndexByte(outline[i:min(len(outline), i+3)], ' ') > 0 && classes[at(outline, i+2)] == classGap:
			return true
		}
	}
	if len(outline) > EvidenceMax {
		return true // reading what it stands for takes longer than finding out
	}
	var room [512]byte
	return signed.in(decode(room[:0], outline))&^(1<<requestGroup) != 0
}

// joined returns every text of one list before every one of the next.
func joined(lists ...[]string) []string {
	all := []string{""}
	for _, list := range lists {
		var longer []string
		for _, before := range all {
			for _, text := range list {
				longer = append(longer, before+text)
			}
		}
		all = longer
	}
	return all
}

func at(text string, i int) byte {
	if i < len(text) {
		return text[i]
	}
	return 0
}

// looksUp reports whether a lookup of log4j, however nested, comes to one by JNDI.
func looksUp(text []byte) bool {
	first := bytes.Index(text, []byte("${"))
	if first < 0 {
		return false
	}
	rest := string(text[first:min(len(text), first+lookupMax)])
	if !strings.Contains(rest, "jndi") && !nested(rest) {
		return false
	}
	for range lookupsMax {
		open := strings.LastIndex(rest, "${")
		if open < 0 {
			return false
		}
		end := strings.IndexByte(rest[open:], '}')
		inner := rest[open+2:]
		after := ""
		if end > 0 {
			inner, after = rest[open+2:open+end], rest[open+end+1:]
		}
		if strings.HasPrefix(strings.TrimSpace(inner), "jndi:") {
			return true
		}
		if _, value, ok := strings.Cut(inner, ":-"); ok {
			inner = value
		} else if kind, value, ok := strings.Cut(inner, ":"); ok && (kind == "lower" || kind == "upper") {
			inner = value
		}
		rest = rest[:open] + inner + after
	}
	return false
}

// nested reports whether a lookup has another one inside.
func nested(text string) bool {
	for depth := 0; text != ""; text = text[1:] {
		switch {
		case strings.HasPrefix(text, "${"):
			if depth++; depth > 1 {
				return true
			}
		case text[0] == '}':
			depth = max(0, depth-1)
		}
	}
	return false
}

// Limits of lookups.
const (
	lookupsMax = 64      // that are resolved
	lookupMax  = 1 << 10 // bytes from the first on
)

// signatures are all, at most 63. Expressions see what decode makes. Counted repetitions
// cost as many steps for each byte as they count: what ends at a character has none.
var signatures = []signature{
	{attack: Log4Shell, words: "a lookup by JNDI", literals: []string{"${"}},

	{attack: CommandInjection, words: "a command behind a separator", request: true,
		literals: append(joined([]string{";", "|", "&&", "`", "$("}, []string{"", " "}, []string{"cat ", "id", "ls ", "whoami", "uname ", "wget ", "curl ", "nc ", "ncat ", "sh ", "bash ", "ping ", "nslookup ", "sleep ", "powershell", "cmd", "rm ", "chmod ", "echo ", "python", "perl ", "php ", "ifconfig", "netstat ", "ps ", "env", "type "}), "/bin/"),
		match:    regexp.MustCompile("(?:[;|`]|&&|\\$\\()\\s?(?:/(?:usr/)?bin/)?(?:cat\\s[/.\\w]|id\\s?(?:[;|&`)\"]|$|\\shttp)|ls\\s[-/]|whoami\\b|uname\\s-|wget\\s\\S*[./]|curl\\s\\S*[./:]|nc\\s+-|ncat\\s|(?:ba)?sh\\s-|ping\\s-[cn]|nslookup\\s|sleep\\s\\d|powershell\\b|cmd\\.exe|cmd\\s/c|rm\\s-|chmod\\s[+\\d]|echo\\s|python\\d?\\s-|perl\\s-|php\\s-r|ifconfig\\b|netstat\\s-|ps\\s-?[ae]|env\\b\\s?(?:[;|&]|$)|type\\s+c:)")},
	{attack: CommandInjection, words: "a download that is run",
		literals: []string{"wget", "curl", "tftp", "certutil", "bitsadmin", "invoke-webrequest", "downloadstring"},
		match:    regexp.MustCompile(`(?:wget|curl|tftp)\s.{1,300}(?:;|&&|\|\|?)\s?(?:sudo\s)?(?:chmod\s|(?:ba|da)?sh\b|\./|python|perl\s)|certutil(?:\.exe)?\s.*-urlcache|bitsadmin(?:\.exe)?\s+/transfer|downloadstring\(|invoke-webrequest\s.*\|\s?iex`)},
	{attack: CommandInjection, words: "a shell with a connection",
		literals: []string{"/dev/tcp/", "nc -e", "nc -c", "ncat -e", "bash -i", "mkfifo", "() {", "(){"},
		match:    regexp.MustCompile(`/dev/tcp/\S+/\d|\bn(?:c|cat)\s-(?:e|c)\s|bash\s-i\s?>?&?|mkfifo\s.*\|\s?(?:nc|sh|bash)|\(\)\s?\{\s?[^}]{0,20};?\s?\}\s?;`)},

	{attack: WebShell, words: "a web shell by name", request: true,
		literals: []string{".php", ".jsp", ".asp"},
		match:    regexp.MustCompile(`/(?:c99|r57|wso\d*|b374k|shell\d*|cmd|webshell|alfa\w*|indoxploit|mini|up|uploader|0x\w*|antichat|weevely|adminer-shell|gel4y|marijuana|p0wny\w*|simple-backdoor|php-backdoor|jspspy|cmdjsp|aspxspy|chopper)\.(?:php\d?|phtml|jspx?|aspx?)\b`)},
	{attack: WebShell, words: "code that is run from a parameter",
		literals: []string{"eval(", "eval (", "assert(", "system(", "passthru(", "shell_exec(", "exec(", "?cmd=", "&cmd=", "?exec=", "&exec=", "?command="},
		match:    regexp.MustCompile(`\b(?:eval|assert|system|passthru|shell_exec|exec)\s?\(\s?(?:base\d+_decode|gzinflate|str_rot|\$_(?:get|post|request|cookie|server)|@?\$\{?_)|[?&](?:cmd|exec|command)=\s?(?:id|whoami|ls|cat|dir|net|uname|wget|curl|type|ipconfig|ifconfig|pwd)\b`)},

	{attack: SQLInjection, words: "UNION SELECT behind a value",
		literals: []string{"union all", "union select", "union distinct", "union ( select", "union(select", "union (select"},
		match:    regexp.MustCompile(`(?:['")]|=\s?-?\w*)\s?(?:\)\s?)*union\s?(?:all\s|distinct\s)?\s?\(?\s?select\b|union\s(?:all\s|distinct\s)?\(?select\s(?:null|\d+\s?,|@@|char\(|concat|0x|unhex|version\(|user\(|load_file|group_concat|table_name|\w+\s?,\s?\w+\sfrom\s(?:information_schema|mysql\.|users?\b|admin)|\*\sfrom\s(?:information_schema|mysql\.|users?\b|admin))`), request: true},
	{attack: SQLInjection, words: "a condition that always holds",
		literals: slices.Concat(joined([]string{"'", "\""}, []string{"", " "}, []string{"or", "and", "xor"}, []string{" ", "(", "'", "\""}), joined([]string{"'", "\""}, []string{"", " "}, []string{"||", "&&"}), joined([]string{" ", ")"}, []string{"or", "and", "xor"}, []string{" ", "("})),
		match:    regexp.MustCompile(`['"]\s?\)*\s?(?:or|and|xor|\|\||&&)\s?\(*\s?(?:not\s)?(?:\d+\s?(?:=|<|>|like\s)\s?'?\d+|['"][^'"]{0,20}['"]\s?(?:=|like)\s?['"]|true\b|\w+\s?=\s?\w+\s?(?:--|#|/\*)|exists\s?\(|ascii\(|substring\(|sleep\(|length\(|\w+\s?=\s?\(\s?select\b)|[=("']\s?-?\d+['"]?\)*\s(?:or|and|xor)\s\(?\s?(?:not\s)?\d+\s?(?:=|<|>|like\s)\s?\d+|(?:[=(]|\w')\s?\d*\s?(?:or|and)\s(?:ascii|substring|substr|mid|length|exists|ord)\s?\(`), request: true},
	{attack: SQLInjection, words: "a statement that is cut short",
		literals: append(joined([]string{"'", "\"", ")", ";"}, []string{"", " "}, []string{"--", "#"}), "'/*", "' /*"),
		match:    regexp.MustCompile(`\w['"]\)*\s?(?:;\s?)?(?:--(?:[\s"-]|$)|#\s?(?:$|"|http)|/\*)|=['"]\s?--`), request: true},
	{attack: SQLInjection, words: "a further statement",
		literals: joined([]string{";"}, []string{"", " "}, []string{"drop ", "truncate ", "alter ", "insert ", "update ", "delete ", "exec", "shutdown", "declare ", "create ", "select "}),
		match:    regexp.MustCompile(`['")\d]\s?\)*\s?;\s?(?:drop\s(?:table|database|schema|user|view)|truncate\s(?:table\s)?\w|alter\s(?:table|user|login)|insert\sinto|update\s\w+\sset|delete\sfrom|exec(?:ute)?\s?(?:\(|\w|@)|shutdown\b|declare\s@|create\s(?:table|user|login|function)|select\s(?:pg_sleep|sleep|\*|load_file))`), request: true},
	{attack: SQLInjection, words: "a statement that waits",
		literals: []string{"sleep(", "sleep (", "benchmark(", "benchmark (", "waitfor delay", "dbms_pipe", "dbms_lock"},
		match:    regexp.MustCompile(`(?:\b(?:and|or|select|if|when|then)|['"),|+=(*-])\s?\(?\s?(?:sleep|pg_sleep|benchmark)\s?\(\s?\d|waitfor\sdelay\s?['"(]|dbms_pipe\.receive_message|dbms_lock\.sleep`), request: true},
	{attack: SQLInjection, words: "a look into the database itself",
		literals: []string{"information_schema", "xp_cmdshell", "@@version", "extractvalue(", "updatexml(", "load_file(", "into outfile", "into dumpfile", "order by", "group by", "sqlite_master", "pg_catalog", "sysobjects", "convert(int", "procedure analyse", "having"},
		match:    regexp.MustCompile(`information_schema\.\w|xp_cmdshell|select\s@@version|(?:extractvalue|updatexml)\s?\(\s?[\w'"]+\s?,|load_file\s?\(\s?['"0]|into\s(?:out|dump)file\s?['"]|['"=\d)]\s?\)*\s?(?:order|group)\sby\s\d+\s?(?:--|#|,|$|\shttp)|from\ssqlite_master|from\spg_catalog|from\ssysobjects|convert\(int,\s?\(?select|procedure\sanalyse\s?\(|['"\d]\s?having\s\d+\s?=\s?\d`), request: true},

	// A value ends a filter that it did not begin. A filter that a program logs begins itself.
	{attack: LDAPInjection, words: "a filter that a value goes on with", request: true,
		literals: []string{")(", ") ("},
		match:    regexp.MustCompile(`[?&\s",{][\w.\[\]-]+"?\s?[=:]\s?"?[^\s()"=&]*\)+\s?\(\s?(?:[|&!]|\w+\s?[~<>]?=)`)},

	{attack: XXE, words: "an external entity",
		literals: []string{"<!entity", "<!doctype", "<! entity"},
		match:    regexp.MustCompile(`<!\s?entity\s[^>]*\b(?:system|public)\b|<!doctype\s[^>\[]*\[`)},
	{attack: XXE, words: "an include of XML", literals: []string{"xi:include", "xinclude"},
		match: regexp.MustCompile(`<xi:include\s[^>]*href|xmlns:xi=`)},

	{attack: TemplateInjection, words: "an expression of a template",
		literals: []string{"{{", "${", "<%", "#{", "*{", "{%"},
		match:    regexp.MustCompile(`\{\{\s?['"]?\d+['"]?\s?[*+]\s?['"]?\d+['"]?\s?\}\}|(?:\$\{|<%=|#\{|\*\{|@\()\s?['"]?\d+\s?['"]?\s?[*+-]\s?['"]?\d+['"]?\s?(?:\}|%>|\))|\{\{\s?(?:config\b|self\b|request\b|cycler|lipsum|joiner|_self)\s?[.|[}]|\{\{[^}]*(?:__\w+__|\.constructor|\|\s?attr\(|getruntime|phpinfo)|\$\{[^}]*(?:t\(java|getruntime|processbuilder|@java|java\.lang|#context|#_memberaccess)|<%=\s?(?:system|file\.|exec|java|runtime)|[#%]\{\s?(?:\(?#|t\(java)|\{%[^%]*(?:import\sos|popen|__\w+__)`)},
	{attack: TemplateInjection, words: "the insides of a language",
		literals: []string{"__class__", "__subclasses__", "__globals__", "__builtins__", "__import__", "class.module.classloader", "java.lang.runtime", "freemarker.template", "ognl", "_memberaccess"},
		match:    regexp.MustCompile(`__class__|__subclasses__\s?\(|__globals__|__import__\s?\(\s?['"]|__builtins__|class\.module\.classloader|java\.lang\.runtime\W+getruntime|freemarker\.template\.utility|@ognl\.|#_memberaccess`), request: true},

	{attack: SSRF, words: "an address inside, as a parameter",
		literals: []string{"=http", "=ftp", "=dict", "=file", "=ldap", "=tftp"},
		match:    regexp.MustCompile(`[?&][\w.\[\]-]+=\s?(?:https?|ftps?|dict|ldaps?|tftp|file):/{1,3}(?:[\w.:-]*@)?(?:localhost|127\.|0\.0\.0\.0|10\.\d+\.\d|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|\[|metadata\.google|0x7f|2130706433|017700|instance-data|etc/|proc/|c:)`), request: true},
	{attack: SSRF, words: "a scheme that no browser sends",
		literals: []string{"gopher://", "dict://", "/latest/meta-data", "/latest/user-data", "computemetadata", "/metadata/instance"},
		match:    regexp.MustCompile(`\bgopher://|\bdict://|=[^\s&]*/latest/(?:meta|user)-data|=[^\s&]*computemetadata/v|=[^\s&]*/metadata/instance`), request: true},

	{attack: PathTraversal, words: "a path that climbs", request: true,
		literals: []string{"../", "..\\", "..;/", "..../"},
		match:    regexp.MustCompile(`(?:\.\.;?[/\\]){2,}|(?:\.{4}[/\\]{1,2}){2}|[?&]\w+=\.\.[/\\]|get\s/\.\.[/\\;]`)},
	{attack: PathTraversal, words: "a file of the system", request: true,
		literals: []string{"/etc/passwd", "/etc/shadow", "/etc/hosts", "/proc/self", "win.ini", "boot.ini", "web-inf/", "php://filter", "php://input", "/etc/issue", "/root/.ssh", "/.ssh/id_", "expect://", "phar://"},
		match:    regexp.MustCompile(`/etc/(?:passwd|shadow|hosts|issue)(?:[^\w-]|$)|/proc/self/(?:environ|cmdline|fd|maps)|[/\\=]win\.ini\b|[/\\=]boot\.ini\b|web-inf/web\.xml|php://(?:filter|input)|/\.ssh/(?:id_|authorized)|=expect://|=phar://`)},
	{attack: PathTraversal, words: "a path that climbs to a file of the system",
		literals: []string{"../", "..\\"},
		match:    regexp.MustCompile(`(?:\.\.[/\\]){2,}\S{0,40}(?:etc[/\\](?:passwd|shadow)|win\.ini|boot\.ini|system32|proc/self)`)},

	{attack: XSS, words: "a script", request: true,
		literals: []string{"<script", "</script", "< script", "<scr<script"},
		match:    regexp.MustCompile(`<\s?/?script\b`)},
	{attack: XSS, words: "a handler of an event", request: true,
		literals: []string{"onerror", "onload", "onclick", "onmouseover", "onfocus", "ontoggle", "onmouse", "onkey", "onbegin", "onanimation", "onpointer", "onstart", "onsubmit", "onblur", "onwheel", "onpageshow"},
		match:    regexp.MustCompile(`[<"'/\s][^<>\n]{0,100}[\s"'/]on(?:error|load|click|mouse\w+|focus\w*|toggle|key\w+|begin|animation\w+|pointer\w+|start|submit|blur|wheel|pageshow)\s?=\s?['"` + "`" + `]?\s?[\w(.]+\s?(?:\(|=|` + "`" + `|\.|;)`)},
	{attack: XSS, words: "an address that is a script", request: true,
		literals: []string{"javascript:", "vbscript:", "data:text/html"},
		match:    regexp.MustCompile(`(?:=|\(|"|')\s?(?:java|vb)script:|data:text/html[;,]`)},
	{attack: XSS, words: "a tag that draws in others", request: true,
		literals: []string{"<iframe", "<svg", "<img", "<object", "<embed", "<body", "<math", "<details", "<video", "<input", "<marquee", "document.cookie", "alert(", "alert`", "string.fromcharcode", "document.write", "prompt(", "confirm("},
		match:    regexp.MustCompile("<(?:iframe|object|embed|svg|math)\\b[^>]*(?:src|data|onload|srcdoc|href|/)|<(?:img|svg|body|video|input|details|marquee)\\b[^>]*\\bon\\w+\\s?=|[=(\"'>;]\\s?document\\.(?:cookie|write|location|domain)|[\"'>;=:(+-]\\s?(?:alert|prompt|confirm)\\s?[(`]|string\\.fromcharcode\\s?\\(")},

	{attack: Scanner, words: "a scanner's name",
		literals: []string{"sqlmap", "nikto", "nmap scripting", "masscan", "zgrab", "wpscan", "acunetix", "nessus", "openvas", "dirbuster", "gobuster", "feroxbuster", "fuzz faster", "nuclei", "wfuzz", "hydra)", "whatweb", "w3af", "arachni", "netsparker", "qualys", "zmeu", "morfeus", "jorgee", "nmap nse", "dirsearch", "burpcollaborator", "interactsh", "oast.", "l9explore", "l9tcpid", "censysinspect", "expanse, a palo", "internetmeasurement", "httpx - open", "libredtail", "go-dirbuster"},
		match:    regexp.MustCompile(`\b(?:sqlmap|nikto|masscan|zgrab|gobuster|feroxbuster|wfuzz|whatweb|dirsearch|dirbuster|nessus|openvas|acunetix|arachni|netsparker|w3af|go-dirbuster|l9explore|l9tcpid|libredtail\S*)[/ (-]v?\d|nmap (?:scripting|nse)|wpscan v|fuzz faster|nuclei - |\(hydra\)|mozilla/\d.\d \(hydra\)|\bzmeu\b|morfeus|\bjorgee\b|acunetix|\.burpcollaborator\.|\.interact\.?sh|\.oast\.(?:pro|live|site|online|fun|me)|censysinspect|expanse, a palo|internetmeasurement|httpx - open|qualys\s?(?:guard|was)`)},
	{attack: Scanner, words: "a probe for what should not be there", request: true,
		literals: []string{"/.env", "/.git/", "/.aws/", "/.svn/", "/.hg/", "/.ds_store", "/phpmyadmin", "/pma/", "/cgi-bin/", "phpunit", "/boaform", "/solr/admin", "/manager/html", "/actuator/", "/_ignition", "/owa/auth", "/autodiscover", "/setup.cgi", "/gponform", "/jenkins/script", "/wp-config", "/server-status", "/telescope", "/phpinfo", "/vendor/", "/console/login", "/druid/index", "/geoserver", "/remote/fgt_lang", "/+cscoe+", "/ cscoe ", "/dana-na", "/invoker", "/jmx-console", "/struts", "thinkphp", "/index.php?s=", "/nice ports", "/tmui/", "/.vscode/", "/sdk", "/evox/", "/mysqladmin", "/myadmin"},
		match:    regexp.MustCompile(`/\.env(?:\.\w+)?(?:[\s?"]|$)|/\.git/(?:config|head|index|logs)|/\.aws/cred|/\.svn/(?:entries|wc)|/\.hg/|/\.ds_store|/(?:phpmyadmin|pma|mysqladmin|myadmin)(?:-?[\d.]+)?/(?:index|scripts|setup|main|$|\s)|/cgi-bin/(?:luci|jarrewrite|test|\.|\S*\.sh|\S*\.cgi\?)|phpunit/\S*eval-stdin|/boaform/|/solr/admin/|/manager/html|/actuator/(?:env|heapdump|gateway|health|jolokia)|/_ignition/execute|/owa/auth/|/autodiscover/autodiscover|/setup\.cgi\?|/gponform/|/jenkins/script|/wp-config\.php|/server-status(?:[\s?"]|$)|/telescope/requests|/phpinfo\.php|/console/login/loginform|/druid/index|/geoserver/web|/remote/fgt_lang|/[+ ]cscoe[+ ]/|/dana-na/|/invoker/\w+invokerservlet|/jmx-console|/struts\d?-showcase|\bs=/?index/\\?think|/nice ports|/tmui/login|/\.vscode/sftp|/sdk(?:/|\s)(?:$|http|webapi)|/evox/about`)},
}
