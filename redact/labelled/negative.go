package labelled

import (
	"encoding/base64"
	"fmt"
)

// negative returns a line without a secret; most have what looks like one.
func (m *maker) negative() string {
	before := pick(m, m.clock()+" INFO ", "", m.clock()+" [worker-3] WARN ", `{"level":"info","msg":"`, "Nov 28 12:00:01 host sshd[1234]: ")
	return before + m.innocent() + pick(m, "", " ok", " in 12ms", `"}`, ", retrying")
}

// innocent returns a text that no detector should find anything in.
func (m *maker) innocent() string {
	if m.IntN(2) == 0 {
		return m.number()
	}
	return m.phrase()
}

// number returns a text with numbers, ids or hashes.
func (m *maker) number() string {
	makers := []func() string{
		func() string { return m.words(8) },
		func() string { return "order " + m.text("123456789", 1) + m.text(digits, 15) + " shipped" },
		func() string { return "order_id=" + m.text("456", 1) + m.text(digits, 15) },
		func() string { return "orderNumber: " + m.text("456", 1) + m.text(digits, 15) },
		func() string { return "request " + m.uuid() + " done" },
		func() string { return "commit " + m.text(hexes, 40) + " merged into main" },
		func() string { return "trace_id=" + m.text(hexes, 32) + " span_id=" + m.text(hexes, 16) },
		func() string { return `{"traceId":"` + m.text(hexes, 32) + `","spanId":"` + m.text(hexes, 16) + `"}` },
		func() string { return "ts=" + fmt.Sprint(1_700_000_000_000+m.Int64N(1e11)) + " event received" },
		func() string { return "at " + fmt.Sprint(1_700_000_000_000_000_000+m.Int64N(1e17)) + " ns" },
		func() string { return "2026-11-28 12:00:01,123 2026-11-28 12:00:02,456 window" },
		func() string { return "blk_-" + m.text("123456789", 1) + m.text(digits, 18) + " terminating" },
		func() string { return "phone-like 555-" + m.text(digits, 2) + "-" + m.text(digits, 4) + " part number" },
		func() string { return "SKU " + m.text(digits, 3) + "-" + m.text(digits, 2) + "-" + m.text(digits, 4) },
		func() string {
			return fmt.Sprintf("version 1.%d.%d-rc.%d+build.%d", m.IntN(99), m.IntN(99), m.IntN(9), m.IntN(1e6))
		},
		func() string {
			return fmt.Sprintf("kernel 5.15.0-%d-generic #%d-Ubuntu SMP", m.IntN(99), m.IntN(99))
		},
		func() string { return "blob " + base64.StdEncoding.EncodeToString([]byte(m.text(alnum+" .,", 90))) },
		func() string { return "sha256:" + m.text(hexes, 64) + " pulled" },
		func() string { return "md5=" + m.text(hexes, 32) },
	}
	return makers[m.IntN(len(makers))]()
}

// phrase returns a text with words that go with secrets, or the form of one.
func (m *maker) phrase() string {
	makers := []func() string{
		func() string {
			return "key=user:" + m.text(digits, 6) + ":profile hit"
		},
		func() string { return "cache key " + m.text(small, 6) + "-" + m.text(hexes, 16) + " expired" },
		func() string {
			return "Failed password for invalid user admin from " + pick(m, "host", "gateway") + " port " + m.text("123456789", 5) + " ssh2"
		},
		func() string {
			return "sudo: deploy : TTY=pts/0 ; PWD=/home/deploy/app ; USER=root ; COMMAND=/usr/bin/systemctl restart x"
		},
		func() string { return "Access denied for user 'root'@'localhost' (using password: YES)" },
		func() string {
			return "password: " + pick(m, "incorrect", "must be at least 8 characters", "changed", "required", "is too short")
		},
		func() string {
			return "password=" + pick(m, "***", "********", "<hidden>", "${DB_PASSWORD}", "null", "[FILTERED]", "xxxxx")
		},
		func() string {
			return "unexpected token: " + pick(m, "identifier", "'}'", "EOF", "string") + " at 12:3"
		},
		func() string { return "nextPageToken=" + m.mixed(alnum, 24) },
		func() string {
			return "max_tokens: 4096 prompt_tokens=" + m.text(digits, 4) + " token=" + m.text(small, 5)
		},
		func() string {
			return "secretName: app-tls secretKeyRef.key=tls-crt token_type: bearer expires_in=3600"
		},
		func() string { return "loaded secret default/app-credentials into volume" },
		func() string { return "https://example.com:8443/a/b?c=d@e" },
		func() string { return "http://10.example.com:8080/path/@scope/pkg" },
		func() string { return "class org.apache.hadoop.hdfs.server.namenode.FSNamesystem@" + m.text(hexes, 8) },
		func() string { return "logo@2x.png react@18.2.0 user@host git@github.com:org/repo.git" },
		func() string {
			return "arn:aws:iam::" + m.text(digits, 12) + ":role/service-role/AmazonEC2ContainerServiceforEC2Role"
		},
		func() string { return "container id " + m.text(hexes, 64)[:12] + " image " + m.text(hexes, 12) },
		func() string {
			return fmt.Sprintf("mem %d %d %d %d", m.IntN(9999), m.IntN(9999), m.IntN(9999), m.IntN(9999))
		},
		func() string {
			return "table 4532 1122 3344 5566 7788 9900 1234 5678"
		},
		func() string { return "float 4.539148803436467 0." + m.text(digits, 16) },
		func() string { return "zxid 0x" + m.text(hexes, 16) + " sessionid: 0x" + m.text(hexes, 15) },
		func() string { return "snowflake id " + m.text("6", 1) + m.text(digits, 17) },
		func() string {
			return "MACHINE-" + m.text(capital, 4) + "-" + m.text(digits, 4) + " serial " + m.text(capital+digits, 20)
		},
		func() string { return "DE" + m.text("12", 1) + "X" + m.text(digits, 18) + " batch" },
		func() string { return "eyJ" + m.text(alnum, 20) + " not a header" },
		func() string {
			return "-----BEGIN CERTIFICATE-----\n" + m.text(base64s, 64) + "\n-----END CERTIFICATE-----"
		},
		func() string { return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + m.text(base64s, 43) + " deploy" },
		func() string { return "etag=\"" + m.text(hexes, 32) + "\" bytes=0-499/1234" },
		func() string {
			return "offset +" + m.text("123456789", 1) + m.text(digits, 5) + " lag=-" + m.text(digits, 9)
		},
		func() string { return "author: bob, monkey: 7, keyboard=us, passenger=3, compass: north" },
		func() string { return "authorization: " + pick(m, "failed", "denied", "required", "ok") },
		func() string {
			return "tracking 1Z" + m.text(digits+capital, 16) + " IMEI " + m.text("34", 1) + m.text(digits, 14)
		},
		func() string { return "ghp is a prefix, sk_live too; AKIA" + m.text(small, 5) },
	}
	return makers[m.IntN(len(makers))]()
}
