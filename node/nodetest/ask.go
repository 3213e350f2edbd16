package nodetest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Answer is what a node answered over HTTP.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Ask makes a request and reads all of its answer. The headers are names and values in turn.
func Ask(t testing.TB, method, url, body string, headers ...string) Answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{Status: answer.StatusCode, Header: answer.Header, Body: string(text)}
}

// Want is Ask, and the test fails unless the answer has the status. It returns the body.
func Want(t testing.TB, status int, method, url, body string, headers ...string) string {
	t.Helper()
	answer := Ask(t, method, url, body, headers...)
	if answer.Status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, url, answer.Status, status, answer.Body)
	}
	return answer.Body
}
