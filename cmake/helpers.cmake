# Helpers for every folder: add_room, add_unit_test, add_fuzzer.

add_library(warnings INTERFACE)
# x86-64-v2 at most: what needs more is chosen at run time
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
	target_compile_options(warnings INTERFACE -march=x86-64-v2)
endif()
target_compile_options(warnings INTERFACE -Wall -Wextra -Werror -Wmissing-prototypes -Wshadow -Wvla
	-fno-strict-aliasing)
# two words beside each other made one of 16 bytes: more instructions, and a load that must wait until both are stored
target_compile_options(warnings INTERFACE -fno-tree-slp-vectorize)
target_include_directories(warnings INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
if(SANITIZE)
	target_compile_options(warnings INTERFACE -fsanitize=${SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all)
	target_link_options(warnings INTERFACE -fsanitize=${SANITIZE})
endif()
if(FUZZ)
	target_compile_options(warnings INTERFACE -fsanitize=fuzzer-no-link,address,undefined
		-fno-sanitize-recover=all)
	target_link_options(warnings INTERFACE -fsanitize=address,undefined)
endif()
if(COVERAGE)
	target_compile_options(warnings INTERFACE --coverage)
	target_link_options(warnings INTERFACE --coverage)
endif()

# add_room(NAME SOURCES… [LIBS …]): one static library a folder.
function(add_room name)
	cmake_parse_arguments(ROOM "" "" "SOURCES;LIBS" ${ARGN})
	add_library(${name} STATIC ${ROOM_SOURCES})
	target_link_libraries(${name} PUBLIC warnings ${ROOM_LIBS})
endfunction()

# add_unit_test(NOUN LIBS…): tests/unit/test_NOUN.c, a Criterion program that ctest runs.
function(add_unit_test noun)
	if(NOT CRITERION_FOUND)
		return()
	endif()
	add_executable(test_${noun} ${CMAKE_SOURCE_DIR}/tests/unit/test_${noun}.c)
	target_link_libraries(test_${noun} PRIVATE ${ARGN} warnings PkgConfig::CRITERION)
	add_test(NAME unit_${noun} COMMAND test_${noun})
	set_tests_properties(unit_${noun} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# add_fuzzer(NOUN LIBS…): tests/fuzz/fuzz_NOUN.c; with FUZZ=ON a libFuzzer program, else it replays the seeds
# in tests/fuzz/seeds/NOUN and every prefix of them.
function(add_fuzzer noun)
	add_executable(fuzz_${noun} ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${noun}.c)
	target_link_libraries(fuzz_${noun} PRIVATE ${ARGN} warnings)
	if(FUZZ)
		target_link_options(fuzz_${noun} PRIVATE -fsanitize=fuzzer)
	else()
		target_sources(fuzz_${noun} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_seeds.c)
		add_test(NAME fuzz_${noun} COMMAND fuzz_${noun} ${CMAKE_SOURCE_DIR}/tests/fuzz/seeds/${noun})
		set_tests_properties(fuzz_${noun} PROPERTIES LABELS fuzz TIMEOUT 300)
	endif()
endfunction()
