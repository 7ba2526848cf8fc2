# Writes OUT: which commit is built. Run at every build; the file changes only when the commit does.
execute_process(COMMAND git describe --always --dirty --abbrev=10 WORKING_DIRECTORY ${SOURCE}
	OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT revision)
	set(revision "${REVISION}")
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define REVISION \"@revision@\"\n" @ONLY)
