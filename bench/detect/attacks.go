package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stere-log/stere/model"
)

// address makes one from a network that is for documents alone.
func address(random *rand.Rand) string { return fmt.Sprintf("203.0.113.%d", 1+random.IntN(250)) }

// attack begins one in a window.
func attack(s *source, random *rand.Rand, window time.Time, length time.Duration, kinds ...string) planted {
	from := window.Add(time.Duration(random.IntN(20*60)) * time.Minute)
	return planted{accept: kinds, from: from, to: from.Add(length), records: slices.Clone(s.records)}
}

// sshd adds a line as sshd writes it, without any field that names the address.
func (p *planted) sshd(random *rand.Rand, ok bool, user, ip string, after time.Duration) {
	text := fmt.Sprintf("Failed password for %s from %s port %d ssh2", user, ip, 1024+random.IntN(60_000))
	if ok {
		text = fmt.Sprintf("Accepted password for %s from %s port %d ssh2", user, ip, 1024+random.IntN(60_000))
	}
	p.records = append(p.records, record(p.from.Add(after), "component", "sshd", "message", text))
}

func plantBruteForce(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p, ip := attack(s, random, window, 20*time.Minute, "brute_force"), address(random)
	p.subject = []string{ip}
	for i := range 25 + random.IntN(40) {
		p.sshd(random, false, []string{"root", "admin"}[random.IntN(2)], ip, time.Duration(i)*8*time.Second)
	}
	return p, true
}

func plantSpraying(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p, ip := attack(s, random, window, time.Hour, "password_spraying"), address(random)
	p.subject = []string{ip}
	for i := range 20 + random.IntN(20) {
		p.sshd(random, false, fmt.Sprintf("user%d", i), ip, time.Duration(i)*40*time.Second)
	}
	return p, true
}

func plantTakeover(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p, ip := attack(s, random, window, 30*time.Minute, "account_takeover"), address(random)
	p.subject = []string{ip, "deploy"}
	tries := 12 + random.IntN(20)
	for i := range tries {
		p.sshd(random, false, "deploy", ip, time.Duration(i)*10*time.Second)
	}
	p.sshd(random, true, "deploy", ip, time.Duration(tries)*10*time.Second)
	return p, true
}

func plantPathScan(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p, ip := attack(s, random, window, 10*time.Minute, "path_scan"), address(random)
	p.subject = []string{ip}
	for i := range 40 + random.IntN(60) {
		at := p.from.Add(time.Duration(i) * 3 * time.Second)
		path := fmt.Sprintf("/%s%d.%s", []string{"admin", "backup", "wp", "old", "test", "db"}[random.IntN(6)], i, []string{"php", "sql", "zip", "bak"}[random.IntN(4)])
		p.records = append(p.records, record(at, "component", "nginx", "message", fmt.Sprintf("%s - - [%s] \"GET %s HTTP/1.1\" 404 153 \"-\" \"Mozilla/5.0\"", ip, at.Format("02/Jan/2006:15:04:05 -0700"), path)))
	}
	return p, true
}

func plantPortScan(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p, ip := attack(s, random, window, 10*time.Minute, "port_scan"), address(random)
	p.subject = []string{ip}
	for i := range 40 + random.IntN(60) {
		port := fmt.Sprint(1 + random.IntN(20_000))
		r := record(p.from.Add(time.Duration(i)*2*time.Second), "component", "kernel", "message", fmt.Sprintf("[UFW BLOCK] IN=eth0 OUT= SRC=%s DST=10.0.0.5 LEN=44 PROTO=TCP SPT=%d DPT=%s SYN", ip, 40_000+random.IntN(20_000), port))
		p.records = append(p.records, r)
	}
	return p, true
}

// plantStuffing lets many addresses try many users, each once, of which one works.
func plantStuffing(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p := attack(s, random, window, time.Hour, "credential_stuffing")
	p.subject = []string{"credential_stuffing"}
	users := 30 + random.IntN(30)
	for i := range users {
		p.sshd(random, i == users-1, fmt.Sprintf("customer%d", i), fmt.Sprintf("198.51.100.%d", 1+random.IntN(12)), time.Duration(i)*time.Minute)
	}
	return p, true
}

// plantPrivilege makes somebody a member of a group that may do everything.
func plantPrivilege(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p := attack(s, random, window, time.Minute, "privilege_change")
	user, group := fmt.Sprintf("guest%d", random.IntN(100)), []string{"sudo", "wheel", "docker"}[random.IntN(3)]
	p.subject = []string{user}
	text := []string{"add '%s' to group '%s'", "add '%s' to shadow group '%s'"}[random.IntN(2)]
	p.records = append(p.records, record(p.from, "component", "usermod", "message", fmt.Sprintf(text, user, group)))
	return p, true
}

// plantTravel lets a user come in from two places, sooner after each other than anybody
// travels, and another one from two places between which there is time enough.
func plantTravel(s *source, random *rand.Rand, window time.Time) (planted, bool) {
	p := attack(s, random, window, 2*time.Hour, "impossible_travel")
	p.subject = []string{"traveller"}
	places := [][2]string{{"52.52", "13.40"}, {"-33.87", "151.21"}, {"40.71", "-74.01"}, {"1.35", "103.82"}}
	from := random.IntN(len(places))
	to := (from + 1 + random.IntN(len(places)-1)) % len(places)
	in := func(at time.Time, user string, place [2]string) {
		r := record(at, "component", "portal", "message", "login succeeded", "user", user, "ip", address(random))
		r.Fields = append(r.Fields, model.Field{Name: "geo.lat", Kind: model.Number, Text: place[0]}, model.Field{Name: "geo.lon", Kind: model.Number, Text: place[1]})
		p.records = append(p.records, r)
	}
	in(p.from, "traveller", places[from])
	in(p.from.Add(time.Duration(30+random.IntN(80))*time.Minute), "traveller", places[to])
	in(window, "flyer", [2]string{"52.52", "13.40"})
	in(window.Add(3*time.Hour), "flyer", [2]string{"48.86", "2.35"})
	return p, true
}
