package relay_test

const childEnv = "RELAY_TEST_CHILD"

func crashChild() int { return 0 }
