package labelled

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"github.com/stere-log/stere/redact"
)

// positive returns a line with a secret of a kind.
func (m *maker) positive(d redact.Detector) Line {
	switch d {
	case redact.Card:
		return m.card()
	case redact.SSN:
		return m.ssn()
	case redact.Phone:
		return m.phone()
	case redact.URLPassword:
		return m.url()
	case redact.Authorization:
		return m.authorization()
	case redact.Password:
		return m.password()
	case redact.Secret:
		return m.keyed()
	case redact.AWSKey:
		if m.IntN(3) == 0 {
			return line(d, pick(m, "aws_secret_access_key=", "AWS_SECRET_ACCESS_KEY: ", `"secretAccessKey":"`, "SecretAccessKey = "), secret(m.mixed(base64s, 40)), "\"")
		}
	case redact.AzureKey:
		if m.IntN(2) == 0 {
			return line(d, "DefaultEndpointsProtocol=https;AccountName=store"+m.text(digits, 3)+";AccountKey=", secret(m.mixed(base64s, 86)+"=="), ";EndpointSuffix=core.windows.net")
		}
	}
	return m.around(d, m.value(d))
}

// value returns a secret that is known by its own form.
func (m *maker) value(d redact.Detector) string {
	switch d {
	case redact.PrivateKey:
		return m.pem()
	case redact.JWT:
		return m.jwt()
	case redact.AWSKey:
		return pick(m, "AKIA", "ASIA") + m.text(capital+"234567", 16)
	case redact.GCPKey:
		return pick(m, "AIza"+m.mixed(url64, 35), "ya29."+m.mixed(url64, 60), "GOCSPX-"+m.mixed(url64, 28))
	case redact.AzureKey:
		return m.text(alnum, 3) + m.text(digits, 1) + "Q~" + m.mixed(alnum, 34)
	case redact.GitHubToken:
		return pick(m, "ghp_"+m.mixed(alnum, 36), "gho_"+m.mixed(alnum, 36), "ghs_"+m.mixed(alnum, 36), "github_pat_"+m.mixed(alnum, 22)+"_"+m.mixed(alnum, 59))
	case redact.GitLabToken:
		return pick(m, "glpat-", "gldt-", "glrt-") + m.mixed(alnum, 20)
	case redact.SlackToken:
		return pick(m, "xoxb-", "xoxp-", "xoxs-") + m.text(digits, 12) + "-" + m.text(digits, 12) + "-" + m.mixed(alnum, 24)
	case redact.StripeKey:
		return pick(m, "sk_live_", "rk_live_", "sk_test_") + m.mixed(alnum, pick(m, 24, 99))
	case redact.NPMToken:
		return "npm_" + m.mixed(alnum, 36)
	case redact.ServiceToken:
		return pick(m, "SG."+m.mixed(alnum, 22)+"."+m.mixed(alnum, 43), "pypi-AgEIcHlwaS5vcmc"+m.mixed(alnum, 120), "hf_"+m.mixed(alnum, 34), "dop_v1_"+m.text(hexes, 64), "shpat_"+m.text(hexes, 32),
			"sk-ant-api03-"+m.mixed(alnum, 80), "sk-proj-"+m.mixed(alnum, 48), "hvs."+m.mixed(alnum, 90), "dapi"+m.text(hexes, 32), "glsa_"+m.mixed(alnum, 32)+"_"+m.text(hexes, 8),
			"stere_"+m.mixed(alnum, 43), "dckr_pat_"+m.mixed(alnum, 27))
	case redact.IBAN:
		return m.iban()
	case redact.Email:
		return pick(m, "anna", "j.smith", "Max.Mustermann", "support+eu", "o_brien", "x", m.text(small, 12)) + m.text(digits, m.IntN(4)) + "@" + pick(m, "example.com", "mail.example.co.uk", "firma-gmbh.de", "uni.edu", "corp.io")
	case redact.IP:
		return pick(m, fmt.Sprintf("%d.%d.%d.%d", 1+m.IntN(126), m.IntN(256), m.IntN(256), 1+m.IntN(254)), "2001:db8:"+m.text(hexes[1:], 4)+"::"+m.text(hexes[1:], 3))
	}
	panic("no value of " + redact.BuiltIn()[d])
}

func (m *maker) pem() string {
	kind := pick(m, "RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
	var b strings.Builder
	feed := pick(m, "\n", `\n`, "\r\n")
	b.WriteString("-----BEGIN " + kind + "-----" + feed)
	for range 3 + m.IntN(20) {
		b.WriteString(m.text(base64s, 64) + feed)
	}
	b.WriteString(m.text(base64s, 30) + "==" + feed + "-----END " + kind + "-----")
	return b.String()
}

func (m *maker) jwt() string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	header := pick(m, `{"alg":"HS256","typ":"JWT"}`, `{"typ":"JWT","alg":"RS256","kid":"`+m.text(alnum, 8)+`"}`, `{"alg":"EdDSA"}`)
	return part(header) + "." + part(`{"sub":"`+m.text(digits, 6)+`","exp":`+m.text(digits, 10)+`}`) + "." + m.text(url64, pick(m, 43, 86, 342))
}

// pan returns the digits of a card.
func (m *maker) pan() string {
	prefix, n := "4", 16
	switch m.IntN(7) {
	case 0:
		prefix = "5" + pick(m, "1", "2", "3", "4", "5")
	case 1:
		prefix = fmt.Sprint(2221 + m.IntN(500))
	case 2:
		prefix, n = pick(m, "34", "37"), 15
	case 3:
		prefix = pick(m, "6011", "65")
	case 4:
		prefix = fmt.Sprint(3528 + m.IntN(62))
	case 5:
		prefix, n = pick(m, "36", "300"), 14
	}
	body := prefix + m.text(digits, n-1-len(prefix))
	sum := 0
	for i := range len(body) {
		d := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return body + fmt.Sprint((10-sum%10)%10)
}

func (m *maker) card() Line {
	pan := m.pan()
	if gap := pick(m, "", "", " ", "-"); gap != "" {
		switch len(pan) {
		case 16:
			pan = pan[:4] + gap + pan[4:8] + gap + pan[8:12] + gap + pan[12:]
		default:
			pan = pan[:4] + gap + pan[4:10] + gap + pan[10:]
		}
	}
	if m.IntN(2) == 0 {
		return line(redact.Card, pick(m, "card=", "charged card ", `{"card_number":"`, "pan: ", "credit card no. ", "Zahlung mit ", "visa "), secret(pan), pick(m, "", " ok", `"}`, ", exp 04/29", "."))
	}
	return m.around(redact.Card, pan)
}

func (m *maker) iban() string {
	form := pick(m, "DE 18", "GB C4 14", "NL C4 10", "FR 11 A1 11", "ES 20", "CH 17", "AT 16", "BE 12", "IT C1 10 A12", "NO 11", "PL 24", "SE 20")
	parts := strings.Fields(form)
	body := ""
	for _, part := range parts[1:] {
		alphabet := digits
		switch part[0] {
		case 'C':
			alphabet, part = capital, part[1:]
		case 'A':
			alphabet, part = digits+capital, part[1:]
		}
		n := 0
		fmt.Sscan(part, &n)
		body += m.text(alphabet, n)
	}
	number := ""
	for _, c := range body + parts[0] + "00" {
		if c >= 'A' {
			number += fmt.Sprint(c - 'A' + 10)
		} else {
			number += string(c)
		}
	}
	value, _ := new(big.Int).SetString(number, 10)
	check := 98 - new(big.Int).Mod(value, big.NewInt(97)).Int64()
	iban := fmt.Sprintf("%s%02d%s", parts[0], check, body)
	if m.IntN(2) == 0 {
		return iban
	}
	grouped := ""
	for i := 0; i < len(iban); i += 4 {
		if i > 0 {
			grouped += " "
		}
		grouped += iban[i:min(i+4, len(iban))]
	}
	return grouped
}

func (m *maker) ssn() Line {
	area := 1 + m.IntN(898)
	if area == 666 {
		area++
	}
	ssn := fmt.Sprintf("%03d-%02d-%04d", area, 1+m.IntN(99), 1+m.IntN(9999))
	if m.IntN(4) == 0 {
		return line(redact.SSN, pick(m, `{"ssn":"`, "ssn=", "SSN: ", "applicant.ssn="), secret(strings.ReplaceAll(ssn, "-", "")), pick(m, `"`, " ", ";"))
	}
	return line(redact.SSN, pick(m, "SSN ", "ssn: ", "social security number ", `"ssn":"`, "Social Security No. ", "verified SSN #", "ssn="), secret(ssn), pick(m, "", " ok", `"`, ",", "."))
}

func (m *maker) phone() Line {
	number := pick(m,
		"+49 30 "+m.text("123456789", 8), "+49"+m.text("123456789", 10), "+1 "+pick(m, "(415)", "415")+" "+m.text("23456789", 3)+"-"+m.text(digits, 4), "+44 20 7946 "+m.text(digits, 4),
		"+33 6 12 34 "+m.text(digits, 2)+" "+m.text(digits, 2), "+1415"+m.text("23456789", 7), "+91-98765-"+m.text(digits, 5))
	if m.IntN(3) == 0 {
		return line(redact.Phone, pick(m, "phone=", `"phone":"`, "Tel: ", "mobile: ", "phone_number="), secret(pick(m, "030-"+m.text("123456789", 8), "415-555-"+m.text(digits, 4), "(415) 555-"+m.text(digits, 4))), pick(m, `"`, "", ","))
	}
	return line(redact.Phone, pick(m, "call ", "SMS to ", `{"to":"`, "number=", "dialled ("), secret(number), pick(m, "", " failed", `"}`, ")", ", ok"))
}

func (m *maker) url() Line {
	scheme := pick(m, "postgres", "postgresql", "mysql", "redis", "amqp", "mongodb+srv", "https", "ftp", "ldap")
	value := pick(m, m.mixed(alnum, 12), m.mixed(alnum, 8)+"!"+m.text(alnum, 3), "p%40ss"+m.text(alnum, 4), "hunter"+m.text(digits, 2))
	return line(redact.URLPassword, pick(m, "connecting to ", "DATABASE_URL=", `{"dsn":"`, "clone of ", "")+scheme+"://"+pick(m, "app", "svc_user", "root", "admin%40x", "")+":", secret(value), "@"+pick(m, "db.example.com:5432/app", "10.0.0.5", "cache:6379/0", "[::1]:80/"), pick(m, "", `"`, " failed", "?ssl=true"))
}

func (m *maker) authorization() Line {
	scheme := pick(m, "Bearer ", "Basic ", "bearer ", "Token ")
	value := pick(m, m.mixed(alnum, 32), m.text(hexes, 40), base64.StdEncoding.EncodeToString([]byte("user:"+m.text(alnum, 12))), m.mixed(url64[:62], 24)+"."+m.text(alnum, 20))
	return line(redact.Authorization, pick(m, "Authorization: ", "authorization=", `"Authorization":"`, `curl -H "Authorization: `, "Proxy-Authorization: ", `headers={'Authorization': '`)+scheme, secret(value), pick(m, `"`, "'", " "))
}

func (m *maker) password() Line {
	plain := pick(m, "hunter"+m.text(digits, 1), "correcthorse", m.mixed(alnum, 10), m.text(small, 7)+"!", "P@ssw0rd"+m.text(digits, 2), m.text(digits, 6), "S3cr3t#"+m.text(alnum, 5))
	v := secret(plain)
	switch m.IntN(11) {
	case 0:
		return line(redact.Password, "login user=bob password=", v, " ip=10.0.0.1")
	case 1:
		return line(redact.Password, `{"user":"bob","password":"`, v, `","remember":true}`)
	case 2:
		return line(redact.Password, `body="{\"username\":\"bob\",\"password\":\"`, v, `\"}"`)
	case 3:
		return line(redact.Password, "POST /login?user=bob&passwd=", v, "&next=/")
	case 4:
		return line(redact.Password, "spring.datasource.password: ", v)
	case 5:
		return line(redact.Password, "mysqldump --user root --password ", v, " --all-databases")
	case 6:
		return line(redact.Password, "export DB_PASSWORD='", secret(plain+" "+m.text(small, 3)), "'")
	case 7:
		return line(redact.Password, "Server=db;Database=x;User Id=sa;Password=", v, ";Encrypt=true")
	case 8:
		return line(redact.Password, "<user>bob</user><password>", v, "</password>")
	case 9:
		return line(redact.Password, "{'user': 'bob', 'userPassword': '", v, "'}")
	}
	return line(redact.Password, "set passphrase = \"", v, "\" for key 3")
}

func (m *maker) keyed() Line {
	value := secret(pick(m, m.mixed(alnum, 24), m.text(hexes, 32), m.mixed(url64[:62], 40), m.uuid(), m.mixed(base64s[:62], 43)+"="))
	key := pick(m, "api_key", "apikey", "X-API-Key", "client_secret", "access_token", "refreshToken", "auth_token", "SECRET_KEY", "session_token", "encryption_key", "csrf_token", "X-Auth-Secret")
	switch m.IntN(6) {
	case 0:
		return line(redact.Secret, key+"=", value, " region=eu")
	case 1:
		return line(redact.Secret, key+": ", value)
	case 2:
		return line(redact.Secret, `{"`+key+`":"`, value, `","ttl":60}`)
	case 3:
		return line(redact.Secret, "GET /x?"+key+"=", value, "&a=1 200")
	case 4:
		return line(redact.Secret, `{\"`+key+`\":\"`, value, `\"}`)
	}
	return line(redact.Secret, "run --"+key+" ", value, " --verbose")
}
