package meaning

import "testing"

// TestClientOf reads the address of the client out of messages as programs write them.
func TestClientOf(t *testing.T) {
	for message, want := range map[string]string{
		"Accepted password for root from 81.2.3.4 port 22 ssh2":                                    "81.2.3.4",
		"Failed password for invalid user from from 81.2.3.4 port 22":                              "81.2.3.4",
		"authentication failure; logname= uid=0 tty=ssh rhost=81.2.3.4  user=root":                 "81.2.3.4",
		"[client 81.2.3.4] File does not exist":                                                    "81.2.3.4",
		"upstream timed out, client: 81.2.3.4, server: x":                                          "81.2.3.4",
		"Connection from 2A00:0::1.":                                                               "2a00::1",
		`81.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /from 9.9.9.9 HTTP/1.1" 200 12 "-" "curl"`: "81.2.3.4",
		`10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 12 "http://from 9.9.9.9"`:  "",
		"read from 10.0.0.7": "", "therefrom 81.2.3.4": "", "from 81.2": "", "from": "", "": "", "81.2.3.4": "",
	} {
		if got := ClientOf(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
		if want != "" && !MayHaveClient(message) {
			t.Errorf("%q: the outline says that there is no client", message)
		}
	}
}

// TestPublicAddress looks at the forms of addresses, and at those that have no place.
func TestPublicAddress(t *testing.T) {
	for text, want := range map[string]string{
		"81.2.3.4": "81.2.3.4", " 81.2.3.4 ": "81.2.3.4", "81.2.3.4:80": "81.2.3.4", "81.2.3.4, 10.0.0.1": "81.2.3.4", "::ffff:81.2.3.4": "81.2.3.4",
		"[2a00::1]:443": "2a00::1", "2a00:0::01": "2a00::1", "10.1.2.3": "", "172.16.0.1": "", "192.168.1.1": "", "127.0.0.1": "", "::1": "", "fe80::1%eth0": "",
		"fd00::1": "", "169.254.1.1": "", "100.64.0.1": "", "224.0.0.1": "", "0.0.0.0": "", "255.255.255.255": "", "host": "", "": "",
	} {
		if got := PublicAddress(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
