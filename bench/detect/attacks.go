package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
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
