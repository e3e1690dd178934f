<%@ page contentType="text/plain;charset=UTF-8" session="false" trimDirectiveWhitespaces="true" %>
<%@ include file="/WEB-INF/meta-db.jspf" %>
server of <%= ask("select current_user || ' as ' || current_setting('application_name')").get(0) %>
