// The steps of t/fleet/client_matrix.t by spymemcached.
//
//     java -cp spymemcached.jar Matrix.java HOST PORT up|dead
import java.net.InetSocketAddress;
import java.util.*;
import java.util.concurrent.*;
import net.spy.memcached.*;

public class Matrix {
    static MemcachedClient c;

    static void told(String step, Object value) { System.out.println(step + ": " + value); }
    static void done(String step, boolean ok) { told(step, ok ? "ok" : "refused"); }
    static void found(String step, Object value) { told(step, value == null ? "none" : value); }
    static boolean ok(Future<Boolean> f) throws Exception { return f.get(10, TimeUnit.SECONDS); }

    static void everything() throws Exception {
        done("set", ok(c.set("a", 0, "alpha")));
        found("get", c.get("a"));
        found("get of nothing", c.get("nothing"));
        ok(c.set("b", 0, "beta"));
        ok(c.set("c", 0, "gamma"));
        StringJoiner pairs = new StringJoiner(" ");
        new TreeMap<>(c.getBulk("a", "b", "c", "nothing")).forEach((k, v) -> pairs.add(k + "=" + v));
        told("multiget", pairs);
        done("add of what is there", ok(c.add("a", 0, "x")));
        done("add", ok(c.add("d", 0, "x")));
        done("replace", ok(c.replace("d", 0, "delta")));
        done("replace of nothing", ok(c.replace("nothing", 0, "x")));
        done("append", ok(c.append("d", "]")));
        done("prepend", ok(c.prepend("d", "[")));
        found("joined", c.get("d"));
        ok(c.set("n", 0, "10"));
        found("incr", c.incr("n", 5));
        found("decr", c.decr("n", 20));
        long none = c.incr("nothing", 1);
        found("incr of nothing", none == -1 ? null : none);
        long token = c.gets("b").getCas();
        done("cas", c.cas("b", token, "beta2") == CASResponse.OK);
        done("cas again", c.cas("b", token, "beta3") == CASResponse.OK);
        done("touch", ok(c.touch("a", 100)));
        done("touch of nothing", ok(c.touch("nothing", 100)));
        SerializingLong.set(c);
        done("delete", ok(c.delete("a")));
        done("delete again", ok(c.delete("a")));
        found("gone", c.get("a"));
    }

    /* It compresses what is long; bytes that cannot be compressed stay so long. */
    static class SerializingLong {
        static void set(MemcachedClient c) throws Exception {
            byte[] large = new byte[700000];
            new Random(1).nextBytes(large);
            ok(c.set("large", 0, large));
            told("large", ((byte[]) c.get("large")).length);
            byte[] every = new byte[256];
            for (int i = 0; i < 256; i++) every[i] = (byte) i;
            ok(c.set("bytes", 0, every));
            told("bytes", Arrays.equals(every, (byte[]) c.get("bytes")) ? "same" : "other");
        }
    }

    static void oneIsDead() throws Exception {
        List<String> keys = new ArrayList<>(), stored = new ArrayList<>();
        int hits = 0, readErrors = 0, deleteErrors = 0;
        for (int i = 0; i < 60; i++) keys.add("dead-" + i);
        for (String k : keys) {
            try {
                if (ok(c.set(k, 0, k))) stored.add(k);
            } catch (ExecutionException e) {
            }
        }
        for (String k : keys) {
            try {
                if (k.equals(c.get(k))) hits++;
            } catch (RuntimeException e) {
                readErrors++;
            }
        }
        told("stored", stored.size());
        told("hits", hits);
        told("multiget", c.getBulk(keys).size());
        for (String k : keys) {
            try {
                c.delete(k).get(10, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                deleteErrors++;
            }
        }
        told("read errors", readErrors);
        told("delete errors", deleteErrors);
        done("afterwards", ok(c.set(stored.get(0), 0, "again")));
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
        java.util.logging.Logger.getLogger("net.spy").setLevel(java.util.logging.Level.OFF);
        ConnectionFactory factory = new ConnectionFactoryBuilder().setOpTimeout(10000)
                .setFailureMode(FailureMode.Retry).build();
        c = new MemcachedClient(factory, List.of(new InetSocketAddress(args[0], Integer.parseInt(args[1]))));
        try {
            if (args[2].equals("up")) everything(); else oneIsDead();
        } finally {
            c.shutdown();
        }
    }
}
