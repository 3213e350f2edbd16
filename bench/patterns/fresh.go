package main

import "maps"

// fresh are statements of systems that were made after the rules had been settled once,
// and that the rules were looked at with and changed for then.
func fresh() map[string][]string {
	all := map[string][]string{}
	for _, some := range []map[string][]string{freshOfServers(), freshOfNetworks(), freshOfPrograms(), freshOfWords(), freshOfHosts(), freshOfMachines(), freshOfStructure(), freshOfLanguages(), freshOfRouters()} {
		maps.Copy(all, some)
	}
	return all
}

func freshOfServers() map[string][]string {
	return map[string][]string{
		"haproxy": {
			`{ip}:{port} [{haptime}] {frontend} {backend}/{server} {n}/{n}/{n}/{n}/{n} {status} {n} - - {ended} {n}/{n}/{n}/{n}/{n} {n}/{n} "{method} {path} HTTP/1.1"`,
			`{ip}:{port} [{haptime}] {frontend} {backend}/{server} {n}/{n}/{n} {n} {endedtcp} {n}/{n}/{n}/{n}/{n} {n}/{n}`,
			`Connect from {ip}:{port} to {ip}:{port} ({frontend}/HTTP)`,
			`{ip}:{port} [{haptime}] {frontend}/{n}: SSL handshake failure`,
			`Health check for server {backend}/{server} succeeded, reason: Layer7 check passed, code: 200, check duration: {n}ms, status: {n}/{n} UP.`,
			`Health check for server {backend}/{server} failed, reason: {checked}, check duration: {n}ms, status: {n}/{n} DOWN.`,
			`Server {backend}/{server} is DOWN, reason: {checked}, check duration: {n}ms. {n} active and {n} backup servers left. {n} sessions active, {n} requeued, {n} remaining in queue.`,
			`Server {backend}/{server} is UP, reason: Layer7 check passed, code: 200, check duration: {n}ms. {n} active and {n} backup servers online. {n} sessions requeued, {n} total in queue.`,
			`backend {backend} has no server available!`,
			`Proxy {backend} started.`,
			`Proxy {backend} stopped (cumulated conns: FE: {n}, BE: {n}).`,
			`Stopping frontend {frontend} in {n} ms.`,
		},
		"aws flow": {
			`2 {account} eni-{hex} {ip} {ip} {port} {port} {n} {n} {n} {epoch} {epoch} ACCEPT OK`,
			`2 {account} eni-{hex} {ip} {ip} {port} {port} {n} {n} {n} {epoch} {epoch} REJECT OK`,
			`2 {account} eni-{hex} - - - - - - - {epoch} {epoch} - NODATA`,
			`2 {account} eni-{hex} - - - - - - - {epoch} {epoch} - SKIPDATA`,
		},
		"postfix": {
			`connect from {client}[{ip}]`,
			`disconnect from {host}[{ip}] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5`,
			`{queue}: client={host}[{ip}]`,
			`{queue}: message-id=<{uuid}@{host}>`,
			`{queue}: from=<{mail}>, size={n}, nrcpt={n} (queue active)`,
			`{queue}: to=<{mail}>, relay={host}[{ip}]:25, delay={n}.{n}, delays={n}/{n}/{n}/{n}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as {queue})`,
			`{queue}: to=<{mail}>, relay=none, delay={n}, delays={n}/{n}/{n}/{n}, dsn=4.4.1, status=deferred (connect to {host}[{ip}]:25: Connection timed out)`,
			`{queue}: to=<{mail}>, relay=local, delay={n}, delays={n}/{n}/{n}/{n}, dsn=5.1.1, status=bounced (unknown user: "{user}")`,
			`{queue}: removed`,
			`warning: hostname {host} does not resolve to address {ip}: Name or service not known`,
			`NOQUEUE: reject: RCPT from unknown[{ip}]: 554 5.7.1 Service unavailable; Client host [{ip}] blocked using zen.spamhaus.org; from=<{mail}> to=<{mail}> proto=ESMTP helo=<{host}>`,
			`lost connection after AUTH from unknown[{ip}]`,
			`lost connection after EHLO from {host}[{ip}]`,
			`warning: unknown[{ip}]: SASL LOGIN authentication failed: {b64}`,
			`statistics: max connection rate {n}/60s for (smtp:{ip}) at {weekday} {day} {hms}`,
		},
		"cisco asa": {
			`%ASA-6-302013: Built inbound TCP connection {n} for {zone}:{ip}/{port} ({ip}/{port}) to {zone}:{ip}/{port} ({ip}/{port})`,
			`%ASA-6-302013: Built outbound TCP connection {n} for {zone}:{ip}/{port} ({ip}/{port}) to {zone}:{ip}/{port} ({ip}/{port})`,
			`%ASA-6-302014: Teardown TCP connection {n} for {zone}:{ip}/{port} to {zone}:{ip}/{port} duration {n}:{mmss} bytes {n} {teardown}`,
			`%ASA-6-302015: Built outbound UDP connection {n} for {zone}:{ip}/{port} ({ip}/{port}) to {zone}:{ip}/{port} ({ip}/{port})`,
			`%ASA-6-302016: Teardown UDP connection {n} for {zone}:{ip}/{port} to {zone}:{ip}/{port} duration {n}:{mmss} bytes {n}`,
			`%ASA-4-106023: Deny tcp src {zone}:{ip}/{port} dst {zone}:{ip}/{port} by access-group "{acl}" [0x{hex}, 0x0]`,
			`%ASA-4-106023: Deny udp src {zone}:{ip}/{port} dst {zone}:{ip}/{port} by access-group "{acl}" [0x{hex}, 0x0]`,
			`%ASA-6-305011: Built dynamic TCP translation from {zone}:{ip}/{port} to {zone}:{ip}/{port}`,
			`%ASA-6-305012: Teardown dynamic TCP translation from {zone}:{ip}/{port} to {zone}:{ip}/{port} duration {n}:{mmss}`,
			`%ASA-5-111008: User '{user}' executed the '{command}' command.`,
			`%ASA-6-113004: AAA user authentication Successful : server =  {ip} : user = {user}`,
			`%ASA-6-113005: AAA user authentication Rejected : reason = AAA failure : server = {ip} : user = {user} : user IP = {ip}`,
			`%ASA-4-733100: [ Scanning] drop rate-1 exceeded. Current burst rate is {n} per second, max configured rate is {n}; Current average rate is {n} per second, max configured rate is {n}; Cumulative total count is {n}`,
		},
	}
}

func freshOfNetworks() map[string][]string {
	return map[string][]string{
		"envoy": {
			`[{date}T{clock}Z] "{method} {path} HTTP/2" {status} - {flags} "-" {n} {n} {n} {n} "{ip}" "{agent}" "{uuid}" "{host}" "{ip}:{port}" outbound|{port}||{word}.default.svc.cluster.local {ip}:{port} {ip}:{port} {ip}:{port} - default`,
			`cm init: adding: cluster={word} primary=0 secondary={n}`,
			`cds: add {n} cluster(s), remove {n} cluster(s)`,
			`cds: added/updated {n} cluster(s), skipped {n} unmodified cluster(s)`,
			`lds: add/update listener '{ip}_{port}'`,
			`StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, connection error: desc = "transport: Error while dialing: dial tcp {ip}:{port}: connect: connection refused"`,
			`DNS resolution for {host} failed`,
			`[C{n}] closing data_to_write={n} type={n}`,
			`[C{n}] remote address:{ip}:{port},TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end`,
			`shutting down due to SIGTERM`,
			`starting workers`,
			`all dependencies initialized. starting workers`,
		},
		"mysql slow": {
			"# Time: {date}T{clock}Z\n# User@Host: {user}[{user}] @ {host} [{ip}]  Id: {n}\n# Query_time: {n}.{n}  Lock_time: {n}.{n} Rows_sent: {n}  Rows_examined: {n}\nSET timestamp={epoch};\nSELECT * FROM {table} WHERE id = {n};",
			`Aborted connection {n} to db: '{word}' user: '{user}' host: '{ip}' (Got timeout reading communication packets)`,
			`Aborted connection {n} to db: '{word}' user: '{user}' host: '{ip}' (Got an error reading communication packets)`,
			`Access denied for user '{user}'@'{ip}' (using password: YES)`,
			`Access denied for user '{user}'@'{ip}' (using password: NO)`,
			`InnoDB: page_cleaner: 1000ms intended loop took {n}ms. The settings might not be optimal. (flushed={n} and evicted={n}, during the time.)`,
			`[Warning] IP address '{ip}' could not be resolved: Name or service not known`,
			`[ERROR] Slave SQL for channel '': Could not execute Write_rows event on table {word}.{table}; Duplicate entry '{n}' for key 'PRIMARY', Error_code: 1062; handler error HA_ERR_FOUND_DUPP_KEY; the event's master log mysql-bin.{n}, end_log_pos {n}, Error_code: 1062`,
			`[Note] Event Scheduler: Loaded {n} events`,
			`[Note] InnoDB: Buffer pool(s) load completed at {n} {hms}`,
			`[ERROR] Table './{word}/{table}' is marked as crashed and should be repaired`,
			`Deadlock found when trying to get lock; try restarting transaction, table {table}`,
		},
	}
}

func freshOfPrograms() map[string][]string {
	return map[string][]string{
		"kafka": {
			`[Log partition={topic}-{n}, dir=/var/lib/kafka] Rolled new log segment at offset {n} in {n} ms. (kafka.log.Log)`,
			`[Log partition={topic}-{n}, dir=/var/lib/kafka] Deleting segments due to retention time {n}ms breach: LogSegment(baseOffset={n}, size={n}, lastModifiedTime={n}, largestRecordTimestamp=Some({n})) (kafka.log.Log)`,
			`[GroupCoordinator {n}]: Preparing to rebalance group {group} in state PreparingRebalance with old generation {n} (__consumer_offsets-{n}) (reason: Adding new member {word}-{uuid} with group instance id None) (kafka.coordinator.group.GroupCoordinator)`,
			`[GroupCoordinator {n}]: Stabilized group {group} generation {n} (__consumer_offsets-{n}) with {n} members (kafka.coordinator.group.GroupCoordinator)`,
			`[GroupCoordinator {n}]: Group {group} with generation {n} is now empty (__consumer_offsets-{n}) (kafka.coordinator.group.GroupCoordinator)`,
			`[GroupCoordinator {n}]: Member {word}-{uuid} in group {group} has failed, removing it from the group (kafka.coordinator.group.GroupCoordinator)`,
			`[Partition {topic}-{n} broker={n}] Shrinking ISR from {n},{n},{n} to {n},{n}. Leader: (highWatermark: {n}, endOffset: {n}). Out of sync replicas: (brokerId: {n}, endOffset: {n}). (kafka.cluster.Partition)`,
			`[Partition {topic}-{n} broker={n}] Expanding ISR from {n},{n} to {n},{n},{n} (kafka.cluster.Partition)`,
			`[ReplicaFetcher replicaId={n}, leaderId={n}, fetcherId={n}] Error sending fetch request (sessionId={n}, epoch={n}) to node {n}: (org.apache.kafka.clients.FetchSessionHandler)`,
			`[ReplicaFetcherManager on broker {n}] Removed fetcher for partitions Set({topic}-{n}) (kafka.server.ReplicaFetcherManager)`,
			`[ReplicaFetcherManager on broker {n}] Added fetcher to broker {n} for partitions Map({topic}-{n} -> InitialFetchState({n},{n})) (kafka.server.ReplicaFetcherManager)`,
			`[Controller id={n} epoch={n}] Changed partition {topic}-{n} state from OnlinePartition to OfflinePartition (state.change.logger)`,
			`Creating topic {topic} with configuration {} and initial partition assignment Map({n} -> ArrayBuffer({n}, {n})) (kafka.zk.AdminZkClient)`,
			`Client session timed out, have not heard from server in {n}ms for sessionid 0x{hex} (org.apache.zookeeper.ClientCnxn)`,
		},
		"redis": {
			`{n} changes in {n} seconds. Saving...`,
			`Background saving started by pid {n}`,
			`DB saved on disk`,
			`RDB: {n} MB of memory used by copy-on-write`,
			`Background saving terminated with success`,
			`Accepted {ip}:{port}`,
			`Client closed connection {ip}:{port}`,
			`Replica {ip}:{port} asks for synchronization`,
			`Partial resynchronization request from {ip}:{port} accepted. Sending {n} bytes of backlog starting from offset {n}.`,
			`Full resync requested by replica {ip}:{port}`,
			`MASTER <-> REPLICA sync started`,
			`Connection with replica {ip}:{port} lost.`,
			`Can't save in background: fork: Cannot allocate memory`,
			`Background append only file rewriting started by pid {n}`,
			`AOF rewrite child asks to stop sending diffs.`,
			`Parent agreed to stop sending diffs. Finalizing AOF...`,
			`Error moving temp append only file on the final destination: No space left on device`,
			`# WARNING overcommit_memory is set to 0! Background save may fail under low memory condition.`,
			`+sdown slave {ip}:{port} {ip} {port} @ {word} {ip} {port}`,
			`+failover-detected master {word} {ip} {port}`,
		},
		"dotnet": {
			`Request starting HTTP/1.1 {method} http://{host}{path} - -`,
			`Request finished HTTP/1.1 {method} http://{host}{path} - {status} {n} application/json {n}.{n}ms`,
			`Executing endpoint 'Acme.Web.Controllers.{class}.{verb} (Acme.Web)'`,
			`Executed endpoint 'Acme.Web.Controllers.{class}.{verb} (Acme.Web)'`,
			`Executed action Acme.Web.Controllers.{class}.{verb} (Acme.Web) in {n}.{n}ms`,
			`Executed DbCommand ({n}ms) [Parameters=[@__id_0='?' (DbType = Int32)], CommandType='Text', CommandTimeout='30']`,
			`Failed executing DbCommand ({n}ms) [Parameters=[@__id_0='?' (DbType = Int32)], CommandType='Text', CommandTimeout='30']`,
			`Entity Framework Core 6.0.{n} initialized '{class}Context' using provider 'Npgsql.EntityFrameworkCore.PostgreSQL' with options: None`,
			`User {user} was authenticated with scheme Bearer`,
			`Authorization failed for user {user}: requirement {class}Requirement was not met`,
			`Now listening on: http://[::]:{port}`,
			`Application is shutting down...`,
			"An unhandled exception has occurred while executing the request.\nSystem.NullReferenceException: Object reference not set to an instance of an object.\n   at Acme.Web.Controllers.{class}.{verb}(Int32 id) in /src/{class}.cs:line {n}",
			`Cached item '{word}:{n}' expired after {n} minutes`,
			`Hosted service {class} stopped`,
			`Hosted service {class} started`,
		},
	}
}

func freshOfWords() map[string][]string {
	return map[string][]string{
		"key=value": {
			`event=login user={user} ip={ip} result=success`,
			`event=login user={user} ip={ip} result=failure reason="{reason}"`,
			`event=logout user={user} session={uuid}`,
			`event=order_created order={uuid} amount={n}.{n} currency={currency} items={n}`,
			`event=order_shipped order={uuid} carrier={carrier} parcel={n}`,
			`event=payment order={uuid} provider={carrier} status=authorized took={n}ms`,
			`event=mail_sent to={mail} template={word} took={n}ms`,
			`event=cache_miss key={word}:{n} region={region}`,
			`event=job_done job={word} region={region} rows={n} took={n}s`,
			`event=heartbeat host={hostname} load={n}.{n} mem={n}MB`,
		},
		"chinese": {
			`用户{cnuser}登录成功，来源IP：{ip}`,
			`用户{cnuser}登录失败，密码错误，来源IP：{ip}`,
			`用户 {user} 退出系统`,
			`订单 {n} 创建成功，金额 {n}.{n} 元`,
			`订单 {n} 支付失败，原因：{cnreason}`,
			`数据库连接超时，已等待 {n} 毫秒`,
			`开始处理任务{n}，队列长度{n}`,
			`任务{n}处理完成，耗时{n}毫秒`,
			`服务 {word} 启动完成，端口 {port}`,
			`服务 {word} 已停止`,
			`接口 {path} 调用异常，状态码：{status}，耗时：{n}ms`,
			`缓存{word}未命中，重新加载`,
			`内存使用率达到{n}%，请注意`,
			`文件 {path} 上传成功，大小 {n}KB`,
			`收到来自{cncity}的请求，共{n}条`,
		},
		"french": {
			`Connexion de l'utilisateur {user} depuis {ip} réussie`,
			`Échec de connexion de l'utilisateur {user} depuis {ip} : mot de passe incorrect`,
			`Déconnexion de l'utilisateur {user}`,
			`Commande n° {n} créée par le client {frname} pour un montant de {n},{n} €`,
			`Commande n° {n} annulée par le client {frname} : {frreason}`,
			`Envoi du courriel à {mail} terminé en {n} ms`,
			`Envoi du courriel à {mail} échoué, nouvelle tentative dans {n} minutes`,
			`Démarrage du service {frservice}`,
			`Arrêt du service {frservice}`,
			`Le service {frservice} ne répond pas depuis {n} secondes`,
			`Sauvegarde de la base « {word} » terminée : {n} Mo écrits`,
			`Sauvegarde de la base « {word} » interrompue : espace disque insuffisant`,
			`Espace disque faible sur {path} : {n} % utilisés`,
			`Le fichier {path} est introuvable`,
			`Session expirée pour {frname}`,
		},
	}
}

// freshValues returns what stands for some names in these statements.
func freshValues() map[string][]string {
	return map[string][]string{
		"client": {"mail.example.com", "mx1.example.org", "unknown"}, "frontend": {"http-in", "https-in", "www", "api~"}, "backend": {"app", "static", "api", "payments", "bk_search"},
		"server": {"srv1", "srv2", "web01", "web02", "node-a", "<NOSRV>"}, "status": {"200", "201", "204", "301", "302", "304", "400", "401", "403", "404", "500", "502", "503", "504"},
		"ended": {"----", "----", "CD--", "SH--", "sC--", "cR--", "PR--"}, "endedtcp": {"--", "CD", "cD", "SC"}, "method": {"GET", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"},
		"checked":  {"Layer4 connection problem, info: \"Connection refused\"", "Layer4 timeout", "Layer7 wrong status, code: 503, info: \"Service Unavailable\"", "Layer7 timeout"},
		"zone":     {"outside", "inside", "dmz", "management"},
		"teardown": {"TCP FINs", "TCP Reset-I", "TCP Reset-O", "SYN Timeout", "Idle Timeout"}, "acl": {"outside_access_in", "inside_access_in", "dmz_in"},
		"command": {"write memory", "show running-config", "configure terminal", "reload", "clear logging buffer"},
		"flags":   {"-", "-", "UH", "UF", "NR", "DC", "URX"}, "agent": {"curl/8.1.2", "Go-http-client/2.0", "Mozilla/5.0 (X11; Linux x86_64)", "python-requests/2.31.0", "kube-probe/1.28"},
		"table": {"orders", "customers", "invoices", "order_items", "sessions", "payments"}, "verb": {"Get", "List", "Create", "Update", "Delete"},
		"column": {"name", "email", "lookup", "parse_line", "get_user", "load_config", "total"}, "currency": {"EUR", "USD", "GBP", "CHF"},
		"carrier": {"dhl", "ups", "fedex", "gls", "adyen", "stripe"}, "region": {"eu-west-1", "us-east-1", "ap-south-1"},
		"rr": {"A", "AAAA", "MX", "TXT", "PTR", "SRV"}, "esname": {"García", "Martínez", "Ana López", "Juan de la Cruz"}, "esservice": {"de correo", "de impresión", "web", "de copias de seguridad"},
		"koreason": {"잔액 부족", "카드 만료", "네트워크 오류"}, "cnplace": {"一号机房", "东门摄像头", "主交换机", "备用电源", "西侧"},
		"cnuser": {"王芳", "李伟", "张敏", "刘洋", "陈静", "zhangsan"}, "cnreason": {"余额不足", "银行卡已过期", "网络超时", "风控拦截"}, "cncity": {"北京", "上海", "广州", "深圳", "成都"},
		"frname": {"Dupont", "Lefèvre", "Moreau", "Jean Martin", "Anne-Marie Petit"}, "frreason": {"rupture de stock", "paiement refusé", "adresse inconnue"},
		"frservice": {"de messagerie", "d'impression", "de sauvegarde automatique", "web", "d'annuaire"},
		"jpreason":  {"残高不足", "カードの有効期限切れ", "通信エラー"}, "jpcity": {"東京", "大阪", "名古屋", "福岡"},
		"dename": {"Müller", "Schmidt", "Weiß", "Anna Schulze", "von der Heide"}, "dereason": {"Ware nicht lieferbar", "Zahlung abgelehnt", "auf Wunsch des Kunden"},
		"deservice": {"Druckwarteschlange", "Sicherung", "Zeitplanung für Aufgaben", "Nachrichtenversand"},
	}
}
