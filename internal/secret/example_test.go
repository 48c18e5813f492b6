package secret_test

import (
	"fmt"

	"iflowtest/internal/secret"
)

func ExampleRedactor() {
	r := secret.NewRedactor()
	r.Add("sender.client-secret", "S3cr=t&$x")
	fmt.Println(r.String("client_secret=S3cr%3Dt%26%24x"))
	fmt.Println(r.String(`{"secret": "S3cr=t\u0026$x"}`))
	fmt.Println(r.Header("Authorization", "Basic c2ItaWQ6UzNjcj10JiR4"))
	// Output:
	// client_secret=***(sender.client-secret)
	// {"secret": "***(sender.client-secret)"}
	// Basic ***(sender.client-secret)
}

func ExampleSecret() {
	s := secret.New("sender.client-secret", "S3cr=t&$x")
	fmt.Printf("%v %+v %q %x\n", s, s, s, s)
	fmt.Println(len(s.Reveal()))
	// Output:
	// ***(sender.client-secret) ***(sender.client-secret) ***(sender.client-secret) ***(sender.client-secret)
	// 9
}

func ExampleHarmless() {
	fmt.Println(secret.Harmless("\x1b[2J\n::set-output name=a::b"))
	// Output:
	// \x1b[2J
	// \::set-output name=a::b
}
