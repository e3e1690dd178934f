<html><body>OK</body></html>
