"""The grader: intake, build, screen, check, score, report; one module a stage."""
