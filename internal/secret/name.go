package secret

import "strings"

// IsName reports whether a variable or parameter of that name holds a secret:
// its name holds secret, password, passwd, pwd, token, key or credential, in
// any case. PWD and OLDPWD are working folders.
func IsName(name string) bool {
	if name == "PWD" || name == "OLDPWD" {
		return false
	}
	lower := strings.ToLower(name)
	for _, word := range []string{"secret", "password", "passwd", "pwd", "token", "key", "credential"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}
