<%@ page contentType="text/plain;charset=UTF-8" trimDirectiveWhitespaces="true" %>
<%@ include file="/WEB-INF/meta-db.jspf" %>
<%
    Integer visits = (Integer) session.getAttribute("visits");
    visits = visits == null ? 1 : visits + 1;
    session.setAttribute("visits", visits);
    String login = "select current_user || ' as ' || current_setting('application_name')";
%>
manager of <%= ask(login).get(0) %>, visit <%= visits %>
