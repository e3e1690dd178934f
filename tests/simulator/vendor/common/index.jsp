<html><body>J-Jobs manager (simulated)</body></html>
