package compat;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command-line classes one after the other in one process. A line of the input
 * is a class and its arguments, separated by tabs; the answer is a line with the exit code and the
 * count of bytes of what it printed, then these bytes.
 */
public final class Tools {
  /** How a tool that ends the process ends here. */
  private static final class Ended extends Error {
    Ended(int code) {
      super("exit " + code);
    }
  }

  /** The first code counts: tools catch what ends them here, and end once more. */
  private static Integer first;

  private static void end(int code) {
    if (first == null) {
      first = code;
    }
    throw new Ended(code);
  }

  public static void main(String[] args) throws Exception {
    Exit.setExitProcedure((code, message) -> end(code));
    Exit.setHaltProcedure((code, message) -> end(code));
    PrintStream out = System.out;
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split("\t");
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      PrintStream captured = new PrintStream(said, true, StandardCharsets.UTF_8);
      System.setOut(captured);
      System.setErr(captured);
      int code = run(words, captured);
      captured.flush();
      out.println(code + " " + said.size());
      said.writeTo(out);
      out.flush();
    }
  }

  private static int run(String[] words, PrintStream captured) {
    first = null;
    String[] arguments = java.util.Arrays.copyOfRange(words, 1, words.length);
    try {
      Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
      return first == null ? 0 : first;
    } catch (InvocationTargetException e) {
      if (first != null) {
        return first;
      }
      e.getCause().printStackTrace(captured);
      return 1;
    } catch (ReflectiveOperationException e) {
      e.printStackTrace(captured);
      return 1;
    }
  }
}
