package meaning

import "testing"

const (
	trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	span  = "00f067aa0ba902b7"
)

// TestTraceOf reads ids of traces and spans out of messages as programs write them.
func TestTraceOf(t *testing.T) {
	for message, want := range map[string][2]string{
		"traceparent: 00-" + trace + "-" + span + "-01":                    {trace, span},
		`{"traceparent":"00-` + trace + "-" + span + `-00","a":1}`:         {trace, span},
		"GET / traceparent=00-" + trace + "-" + span + "-01":               {trace, span},
		"trace_id=" + trace + " span_id=" + span + " done":                 {trace, span},
		`{"msg":"x","traceId":"` + trace + `","spanId":"` + span + `"}`:    {trace, span},
		`{\"traceID\":\"` + trace + `\"}`:                                  {trace, ""},
		"TraceId: 4BF92F3577B34DA6A3CE929D0E0E4736":                        {trace, ""},
		"[trace=" + span + "] ok":                                          {span, ""},
		"dd.trace_id=1234567890123456789 dd.span_id=987654321098765432":    {"1234567890123456789", "987654321098765432"},
		"trace.id: 4bf92f35-77b3-4da6-a3ce-929d0e0e4736":                   {trace, ""},
		"backtrace: 0x4bf92f3577b34da6, trace_id=" + trace:                 {trace, ""},
		"traceparent: 00-00000000000000000000000000000000-" + span + "-01": {},
		"traceparent: ff-" + trace + "-" + span + "-01":                    {},
		"trace_id=" + trace + "ff":                                         {},
		"trace id " + trace:                                                {},
		"stack trace: main.go":                                             {},
		"trace_id=":                                                        {},
		"trace":                                                            {},
		"":                                                                 {},
	} {
		gotTrace, gotSpan := TraceOf(message)
		if gotTrace != want[0] || gotSpan != want[1] {
			t.Errorf("%q: %q and %q, want %q", message, gotTrace, gotSpan, want)
		}
		if gotTrace != "" && !MayHaveTrace(message) {
			t.Errorf("%q: the outline says that there is no trace", message)
		}
	}
}

// TestDurationOf reads how long something took out of messages, and no other numbers.
func TestDurationOf(t *testing.T) {
	for message, want := range map[string]float64{
		"slow query took 35 ms":                    35,
		"request took 1.2s to finish":              1200,
		"Completed 200 OK in 35ms (Views: 3.2ms)":  35,
		"job finished in 1,234 ms":                 1234,
		"sync done in 1m2.5s":                      62_500,
		"timed out after 30s":                      30_000,
		`{"path":"/","duration_ms":12.5}`:          12.5,
		`{"path":"/","duration":"250us"}`:          0.25,
		"latency=0.5 sec status=200":               500,
		"responseTimeMs=17":                        17,
		"Response time: 80 milliseconds":           80,
		"GET /x elapsed=2 minutes":                 120_000,
		"duration: 12.345 ms  statement: select 1": 12.345,
		"time=3ns":                  3e-6,
		"request_time_seconds=0.25": 250,
	} {
		got, ok := DurationOf(message)
		if !ok || got < want*(1-1e-9) || got > want*(1+1e-9) {
			t.Errorf("%q: %v, %v, want %v", message, got, ok, want)
		}
		if !MayHaveDuration(message) {
			t.Errorf("%q: the outline says that there is no duration", message)
		}
	}
	for _, message := range []string{
		"retrying in 5s", "retry after 30s", "time=2024-01-02T10:00:00Z", "took 35 records", "duration=12", "in 2024", "uptime: 35s",
		"logged in 5 min ago", "timeout=30s", "times 3 s", "spent 12 dollars", "latency", "took .", "after", "waiting 3s", "intake 3s", "",
	} {
		if got, ok := DurationOf(message); ok {
			t.Errorf("%q: %v", message, got)
		}
	}
	for _, outline := range []string{"main loop begins", "saved", "retrying in ", "it"} {
		if MayHaveDuration(outline) {
			t.Errorf("%q may have a duration", outline)
		}
	}
}
