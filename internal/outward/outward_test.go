package outward

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func TestKinds(t *testing.T) {
	for want, list := range map[kind]string{
		kindPublic:   "1.1.1.1 2606:4700::1111 ::ffff:8.8.8.8",
		kindPrivate:  "10.0.0.1 172.16.3.4 192.168.1.1 fd00::1 ::ffff:10.1.2.3",
		kindLoopback: "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1",
		kindNobody: "0.0.0.0 169.254.169.254 ::ffff:169.254.169.254 100.64.0.1 192.0.0.8 198.18.0.1 224.0.0.1 255.255.255.255 " +
			":: fe80::1 ff02::1 64:ff9b::a00:1 2002:a00:1:: ::a00:1 2001::1 fec0::1",
	} {
		for text := range strings.FieldsSeq(list) {
			if got := kindOf(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s is of kind %d, want %d", text, got, want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for address, least := range map[string]Reach{
		"https://idp.example/keys": Public, "https://1.1.1.1/": Public, "https://10.0.0.1/": Private, "https://[fd00::1]:8443/": Private, "https://127.0.0.1/": Loopback,
		"https://169.254.169.254/": Loopback + 1, "http://169.254.169.254/": Loopback + 1,
		"http://127.0.0.1:8080/": Loopback, "http://localhost/": Loopback, "http://[::1]/": Loopback,
		"http://idp.example/": Loopback + 1, "ftp://idp.example/": Loopback + 1, "file:///etc/passwd": Loopback + 1, "https://": Loopback + 1,
		"https://user:pass@idp.example/": Loopback + 1, "gopher://127.0.0.1/": Loopback + 1, "": Loopback + 1, "http://127.0.0.1.nip.io/": Loopback + 1,
	} {
		for reach := Public; reach <= Loopback; reach++ {
			if err := New(reach).Check(address); (err == nil) != (reach >= least) || err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%s with reach %d: %v", address, reach, err)
			}
		}
	}
}

// TestCheckOfSender: where private networks may be told without TLS, what is no private
// network may not.
func TestCheckOfSender(t *testing.T) {
	for address, least := range map[string]Reach{
		"http://hook.example/": Private, "http://10.0.0.1/": Private, "http://127.0.0.1/": Loopback, "http://169.254.169.254/": Loopback + 1, "http://[fe80::1]/": Loopback + 1,
	} {
		for reach := Public; reach <= Loopback; reach++ {
			err := NewSender(reach).Check(address + "secret")
			if (err == nil) != (reach >= least) || err != nil && (!errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%s with reach %d: %v", address, reach, err)
			}
		}
	}
}

// TestFetch fetches over TCP: what is refused is seen by the server not being
// asked.
func TestFetch(t *testing.T) {
	var asked atomic.Int64
	var target *httptest.Server
	target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		case "/plain":
			http.Redirect(w, r, "http://idp.example/keys", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, target.URL+"/loop", http.StatusFound)
		case "/large":
			_, _ = w.Write(make([]byte, 101))
		case "/gone":
			w.WriteHeader(http.StatusGone)
		default:
			_, _ = w.Write([]byte("ok"))
		}
	}))
	defer target.Close()
	for _, reach := range []Reach{Public, Private} {
		for _, address := range []string{target.URL, strings.Replace(target.URL, "http:", "https:", 1)} {
			if _, _, err := New(reach).Fetch(t.Context(), address, 100); !errors.Is(err, ErrRefused) {
				t.Errorf("reach %d, %s: %v", reach, address, err)
			}
		}
	}
	if asked.Load() != 0 {
		t.Fatalf("this machine was asked %d times", asked.Load())
	}
	c := New(Loopback)
	if body, _, err := c.Fetch(t.Context(), target.URL, 100); err != nil || string(body) != "ok" {
		t.Fatalf("%q %v", body, err)
	}
	for path, want := range map[string]error{"/away": ErrRefused, "/plain": ErrRefused, "/loop": ErrRefused, "/large": ErrTooLarge, "/gone": nil} {
		if _, _, err := c.Fetch(t.Context(), target.URL+path, 100); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if asked.Load() > 20 {
		t.Errorf("redirects were followed %d times", asked.Load())
	}
}
