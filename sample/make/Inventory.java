import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The inventory service of the recorded shop: logs like logback, with stack traces over many lines. */
public class Inventory {
    static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS").withZone(ZoneOffset.UTC);
    static PrintWriter out;

    static synchronized void log(String level, String logger, String message, Throwable cause) {
        out.printf("%s %-5s [%s] %s - %s%n", TIME.format(Instant.now()), level, Thread.currentThread().getName(), logger, message);
        if (cause != null) {
            StringWriter trace = new StringWriter();
            cause.printStackTrace(new PrintWriter(trace));
            out.print(trace);
        }
        out.flush();
    }

    static class OutOfStock extends RuntimeException { OutOfStock(String sku, int wanted, int have) { super("wanted " + wanted + " of " + sku + ", have " + have); } }
    static class StorageException extends RuntimeException { StorageException(String message, Throwable cause) { super(message, cause); } }

    static class Shelf {
        final Map<String, Integer> stock = new ConcurrentHashMap<>();
        final Random random = new Random(7);

        int reserve(String sku, int quantity) {
            Integer have = stock.computeIfAbsent(sku, k -> 20 + Math.abs(k.hashCode() % 60));
            int number = Integer.parseInt(sku.substring(4));
            if (number % 97 == 0) throw new StorageException("cannot read row of " + sku, new IOException("page checksum mismatch, page " + number * 31));
            if (number % 53 == 0) number = quantity / (have - have);     // the bug that makes ArithmeticExceptions
            if (have < quantity) throw new OutOfStock(sku, quantity, have);
            stock.put(sku, have - quantity);
            return have - quantity;
        }
    }

    static class StockService {
        final Shelf shelf = new Shelf();

        int reserve(String sku, int quantity) {
            if (sku.endsWith("13") && shelf.random.nextInt(5) == 0) { String warehouse = null; return warehouse.length(); }
            return shelf.reserve(sku, quantity);
        }

        void restock() {
            int filled = 0;
            for (String sku : shelf.stock.keySet()) if (shelf.stock.get(sku) < 8) { shelf.stock.merge(sku, 40, Integer::sum); filled++; }
            log("INFO", "shop.inventory.Restock", "restocked " + filled + " of " + shelf.stock.size() + " articles", null);
        }
    }

    static void handle(HttpExchange exchange, StockService service) throws IOException {
        Map<String, String> query = new HashMap<>();
        for (String pair : exchange.getRequestURI().getQuery().split("&")) query.put(pair.split("=")[0], pair.split("=")[1]);
        String trace = exchange.getRequestHeaders().getFirst("x-request-id"), sku = query.get("sku");
        int quantity = Integer.parseInt(query.get("quantity")), status = 200;
        byte[][] garbage = new byte[40][];
        for (int i = 0; i < garbage.length; i++) garbage[i] = new byte[8192];
        try {
            int left = service.reserve(sku, quantity);
            log("DEBUG", "shop.inventory.StockService", "reserved " + quantity + " of " + sku + ", " + left + " left, trace=" + trace, null);
            if (left < 5) log("WARN", "shop.inventory.StockService", "stock of " + sku + " is low: " + left, null);
        } catch (OutOfStock e) {
            status = 409;
            log("WARN", "shop.inventory.StockService", e.getMessage() + ", trace=" + trace, null);
        } catch (StorageException e) {
            status = 503;
            log("ERROR", "shop.inventory.Shelf", "storage fault, trace=" + trace, e);
        } catch (RuntimeException e) {
            status = 500;
            log("ERROR", "shop.inventory.Http", "request " + exchange.getRequestURI() + " failed, trace=" + trace, e);
        }
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    public static void main(String[] args) throws Exception {
        out = new PrintWriter(Files.newBufferedWriter(Path.of("/srv/shop/log/inventory.log"), StandardOpenOption.CREATE, StandardOpenOption.APPEND));
        StockService service = new StockService();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 7303), 64);
        server.createContext("/reserve", exchange -> handle(exchange, service));
        server.setExecutor(Executors.newFixedThreadPool(4, task -> { Thread t = new Thread(task); t.setName("http-" + t.getId()); return t; }));
        server.start();
        Executors.newSingleThreadScheduledExecutor(task -> { Thread t = new Thread(task, "restock"); t.setDaemon(true); return t; })
            .scheduleAtFixedRate(service::restock, 5, 20, TimeUnit.SECONDS);
        log("INFO", "shop.inventory.Main", "inventory listening on " + server.getAddress().getPort() + ", Java " + Runtime.version().feature(), null);
    }
}
