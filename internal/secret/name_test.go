package secret

import "testing"

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"API_SECRET": true, "db_password": true, "PASSWD": true, "MyPwd": true, "TOKEN": true, "SENDER_KEY": true, "credentials": true,
		"PWD": false, "OLDPWD": false, "HOME": false, "USER": false, "": false,
	} {
		if got := IsName(name); got != want {
			t.Errorf("IsName(%q) = %v", name, got)
		}
	}
}
