<%@ page contentType="application/json;charset=UTF-8" session="false" trimDirectiveWhitespaces="true" %>
<%@ page import="jakarta.servlet.*, jakarta.servlet.http.*, java.nio.ByteBuffer, java.util.regex.*" %>
<%@ include file="/WEB-INF/meta-db.jspf" %>
<%!
    /** Tomcat's pages take GET and POST; the documented call is a PUT, so the page sees its method under another name. */
    @Override
    public void service(ServletRequest request, ServletResponse response) throws ServletException, java.io.IOException {
        HttpServletRequest original = (HttpServletRequest) request;
        request.setAttribute("method", original.getMethod());
        super.service(new HttpServletRequestWrapper(original) {
            @Override public String getMethod() { return "POST"; }
        }, response);
    }

    /** As a Spring context would, it refuses to be deployed without its meta DB. */
    @Override
    public void jspInit() {
        try {
            log("the meta DB answers " + ask("select current_user"));
        } catch (Exception error) {
            throw new IllegalStateException("no meta DB", error);
        }
    }

    static final List<ByteBuffer> EATEN = new ArrayList<>();

    String number(String body, String name) {
        Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*(\\d+)").matcher(body);
        return found.find() ? found.group(1) : "0";
    }

    String hold(String body) throws Exception {
        Matcher found = Pattern.compile("\"holdWorkerYn\"\\s*:\\s*\"([YN])\"").matcher(body);
        if (!found.find()) return null;
        int changed = (Integer) ask("update server set held = ? where group_id = ? and server_id = ?",
            found.group(1).equals("Y"), Integer.parseInt(number(body, "groupId")),
            Integer.parseInt(number(body, "serverId"))).get(0);
        return changed == 1 ? "{\"result\":\"OK\"}" : null;
    }

    /** Work that goes on behind the answer until the meta DB says that it may end, and is lost if the JVM ends before. */
    String work() throws Exception {
        Object id = ask("insert into request (group_id, server_id) select group_id, server_id from server"
            + " where server_id = 1 and not held returning id").get(0);
        Thread worker = new Thread(() -> {
            try {
                String end = "update request set done = now() where id = ? and may_end";
                while ((Integer) ask(end, id).get(0) == 0) Thread.sleep(200);
            } catch (Exception error) {
                log("request " + id + " has failed", error);
            }
        });
        worker.setDaemon(true);
        worker.start();
        return "{\"id\":" + id + "}";
    }

    String eat(String what) {
        log("eating " + what);
        while (true) {
            EATEN.add(what.equals("heap") ? ByteBuffer.allocate(1 << 20) : ByteBuffer.allocateDirect(1 << 20));
        }
    }

    String list(String groupId, String serverId) throws Exception {
        List<Object> ids = ask("select id from request where done is null and group_id = ? and server_id = ? order by id",
            Integer.parseInt(groupId), Integer.parseInt(serverId));
        StringJoiner requests = new StringJoiner(",", "{\"list\":[", "]}");
        for (Object id : ids) requests.add("{\"requestId\":" + id + "}");
        return requests.toString();
    }

    String statuses() throws Exception {
        StringJoiner servers = new StringJoiner(",", "{\"list\":{\"group\":{\"g1\":{", "}}}}");
        for (Object id : ask("select server_id from server where group_id = 1 order by 1")) {
            servers.add("\"s" + id + "\":{\"status\":\"R\"}");
        }
        return servers.toString();
    }
%>
<%
    String path = request.getServletPath();
    String method = (String) request.getAttribute("method");
    String answer = null;
    if (path.equals("/work") && method.equals("POST")) {
        answer = work();
    } else if (path.equals("/eat") && method.equals("POST")) {
        answer = eat(request.getParameter("what"));
    } else if (path.startsWith("/api/")) {
        String token = request.getHeader("private-token");
        if (token == null || ask("select 1 from api_user where token = ?", token).isEmpty()) {
            response.sendError(401);
            return;
        }
        boolean isHold = path.endsWith("/hold");
        if (!method.equals(isHold ? "PUT" : "GET")) {
            response.sendError(405);
            return;
        }
        if (isHold) {
            answer = hold(new String(request.getInputStream().readAllBytes(), "UTF-8"));
        } else if (path.endsWith("/selectWorkingRequestList")) {
            answer = list(request.getParameter("groupId"), request.getParameter("serverId"));
        } else {
            answer = statuses();
        }
    }
    if (answer == null) {
        response.sendError(404);
        return;
    }
%>
<%= answer %>
