# libtorch as imported targets. Its own TorchConfig.cmake would also ask for CUDA, MKL headers
# and Python when they were present at its build, none of which this project links against.
if(NOT EXISTS "${TORCHSIGHT_LIBTORCH}/include/ATen/ATen.h")
  message(FATAL_ERROR "TORCHSIGHT_LIBTORCH does not name a libtorch: '${TORCHSIGHT_LIBTORCH}'. "
                      "`npx torchsight setup` brings one into the cache.")
endif()

foreach(library c10 torch_cpu)
  add_library(libtorch::${library} SHARED IMPORTED)
  if(WIN32)
    set_target_properties(libtorch::${library} PROPERTIES
      IMPORTED_LOCATION "${TORCHSIGHT_LIBTORCH}/lib/${library}.dll"
      IMPORTED_IMPLIB "${TORCHSIGHT_LIBTORCH}/lib/${library}.lib")
  else()
    set_target_properties(libtorch::${library} PROPERTIES
      IMPORTED_LOCATION "${TORCHSIGHT_LIBTORCH}/lib/lib${library}${CMAKE_SHARED_LIBRARY_SUFFIX}")
  endif()
endforeach()

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE
  "${TORCHSIGHT_LIBTORCH}/include"
  "${TORCHSIGHT_LIBTORCH}/include/torch/csrc/api/include")
target_link_libraries(libtorch INTERFACE libtorch::torch_cpu libtorch::c10)
target_compile_definitions(libtorch INTERFACE USE_C10D_GLOO USE_DISTRIBUTED)

# `at::parallel_for` is inline code over OpenMP; compiled without it, loops of our own run on one
# thread. The runtime must be the one that came with libtorch, whose calls GCC alone makes.
if(UNIX AND NOT APPLE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  find_package(OpenMP COMPONENTS CXX)
  file(GLOB OPENMP_RUNTIME "${TORCHSIGHT_LIBTORCH}/lib/libgomp*.so*")
  if(OpenMP_CXX_FOUND AND OPENMP_RUNTIME)
    target_compile_options(libtorch INTERFACE ${OpenMP_CXX_FLAGS})
    target_link_libraries(libtorch INTERFACE ${OPENMP_RUNTIME})
  endif()
endif()
