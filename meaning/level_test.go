package meaning

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
)

// TestDetectLevel detects levels of lines as programs write them.
func TestDetectLevel(t *testing.T) {
	for text, want := range map[string]string{
		"ERROR something broke": "error", "2024-01-01 10:00:00,123 [main] WARN  org.x.Y - slow": "warn", "[error] 7#7: *1 open() failed": "error",
		"[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok": "info", "[Mon Jan 29 00:00:02.1 2024] [core:notice] [pid 7:tid 8] AH00094": "info",
		"<34>Oct 11 22:14:15 mymachine su: failed": "critical", "<14>1 2024-01-01T00:00:00Z host app": "info", "<3>kernel oops": "error", "<999>x": "",
		"E0315 10:11:12.123456       7 file.go:8] it broke": "error", "W0315 10:11:12.123456 7 a.go:8] hm": "warn", "E0315 is a part number": "",
		`{"level":"error","msg":"x"}`: "error", `{"msg":"level","lvl":"warn"}`: "warn", `{"a":{"level":"error"},"msg":"x"}`: "", `{"level":50,"msg":"x"}`: "error", `{"severity":3}`: "",
		`{"msg":"a \" , level","level": "DEBUG"}`: "debug", `ts=1 level=warn msg="x"`: "warn", "time=7 lvl=eror msg=x": "error", "level: info, msg: x": "info", "sealevel=error": "",
		`10.0.0.1 - - [26/Jan/2019:19:45:25 +0330] "GET / HTTP/1.1" 500 30975 "-" "x"`: "error", `10.0.0.1 - - [x] "GET /500 HTTP/1.1" 404 7`: "warn", `10.0.0.1 - - [x] "GET / HTTP/2" 302 7`: "info",
		"0 errors found": "", "no ERRORS": "", "found 1 error in 7 files": "", "1 error": "", "the error was ignored": "", "error: cannot open": "error", "Warning: low disk": "warn",
		"2016-09-28 04:30:30, Info                  CBS    Loaded": "info", "2019-01-01T00:00:00.000+0000 E NETWORK  [conn1] x": "error", "03-17 16:13:38.811  1702  2395 D WindowManager: x": "debug",
		"2024-01-01 10:00:00 UTC [7] LOG:  listening": "info", "2024-01-01 10:00:00 UTC [7] FATAL:  no": "critical", "ERROR:root:failed": "error", "panic: runtime error": "critical",
		"Traceback (most recent call last):": "error", "java.lang.NullPointerException: x": "error", "ValueError: no": "error", "2024|ERROR|x": "error", "- 1117838570 2005.06.03 R02 RAS KERNEL INFO parity": "info",
		"[2025-01-02T03:04:05,006][INFO ][o.e.c.m.Service] [node-a] creating index": "info", "[2025-01-02 03:04:05][WARN ][o.e.Gc] x": "warn", "[0.123s][info][gc] GC(7) Pause": "info", "[info] [x]": "info", "[a][b] error": "",
		"2025-01-02T03:04:05Z 17 [Note] Aborted connection 9": "info", "java.lang.NullPointerException\n\tat a.B.c(B.java:7)": "error", "NullPointerException is what it threw": "", "SomeError": "",
		"": "", "INFORMATION is power": "info", "User ERROR_HANDLER is set": "", "Größe: 7": "", "npm ERR! x": "error", "I think so": "", "10 I think so": "info",
	} {
		if got := DetectLevel(text).String(); got != want {
			t.Errorf("%q tells %q, want %q", text, got, want)
		}
	}
}

// TestLevelOfOutlines compares what texts tell with what their outlines are sure of.
func TestLevelOfOutlines(t *testing.T) {
	random := rand.New(rand.NewPCG(91, 92))
	pieces := []string{"ERROR", "error", "Warning", ":", " ", " ", " ", "\n", "[", "]", "level", "=", "info", "7", "E0315", "10:11:12.123456", "<", "34", ">", "{", "}", `"`, ",", "HTTP/1.1\" 500 7",
		"2024-01-01", "E", "|", "[Note]", "[INFO ]", "\n\tat a", "FooException", "LOG:", "Exception:", "Foo2Exception:", "\x11", "panic: ", "word", "0", "file.go:8] ", `"level":"error"`, `"level":30`, "severity", "-"}
	sure := 0
	for range 50_000 {
		var text strings.Builder
		for range 1 + random.IntN(9) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		outline := shape.MessageOutline(text.String())
		level, ok := LevelOfOutline(outline)
		if !ok {
			continue
		}
		if level != model.LevelNone {
			sure++
		}
		if want := DetectLevel(text.String()); level != want {
			t.Fatalf("%q tells %q, its outline %q %q", text.String(), want, outline, level)
		}
	}
	if sure < 5_000 {
		t.Errorf("only %d outlines are sure of a level", sure)
	}
}
