package people_test

import (
	"regexp"
	"strings"
	"testing"

	"yipiao/cloud/internal/people"
)

func TestVerifier(t *testing.T) {
	password, err := people.NewPassword()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^([2-9a-hjkmnp-z]{5}-){3}[2-9a-hjkmnp-z]{5}$`).MatchString(password) {
		t.Errorf("password %q", password)
	}
	v, err := people.NewVerifier(password)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(v, password) || !strings.HasPrefix(v, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("verifier %q", v)
	}
	if good, err := people.Verify(v, password); !good || err != nil {
		t.Errorf("right password: %v, %v", good, err)
	}
	if good, err := people.Verify(v, password+"x"); good || err != nil {
		t.Errorf("wrong password: %v, %v", good, err)
	}
	again, err := people.NewVerifier(password)
	if err != nil || again == v {
		t.Errorf("two verifiers are equal, %v", err)
	}
}

func TestVerify_RefusesWhatIsNoVerifier(t *testing.T) {
	for _, v := range []string{
		"", "x", "$argon2i$v=19$m=8,t=1,p=1$YWJj$YWJj", "$argon2id$v=18$m=8,t=1,p=1$YWJj$YWJj", "$argon2id$v=19$m=8,t=1$YWJj$YWJj",
		"$argon2id$v=19$m=999999999,t=1,p=1$YWJj$YWJj", "$argon2id$v=19$m=8,t=99,p=1$YWJj$YWJj", "$argon2id$v=19$m=8,t=0,p=1$YWJj$YWJj",
		"$argon2id$v=19$m=8,t=1,p=1$!$YWJj", "$argon2id$v=19$m=8,t=1,p=1$YWJj$", "$argon2id$v=19$m=8,t=1,p=0$YWJj$YWJj",
	} {
		if good, err := people.Verify(v, "x"); good || err == nil {
			t.Errorf("verifier %q was taken: %v", v, good)
		}
	}
}

func TestMask(t *testing.T) {
	for name, want := range map[string]string{
		"张三": "*三", "欧阳静": "**静", "司马小雨": "***雨", "李": "*", "": "", " 王五 ": "*五", "李𠮷": "*𠮷", "Anna": "***a",
	} {
		if got := people.Mask(name); got != want {
			t.Errorf("%q is masked %q, want %q", name, got, want)
		}
	}
}
