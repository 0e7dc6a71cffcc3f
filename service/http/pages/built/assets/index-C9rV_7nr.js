import{Q as e,a as m}from"./base-A45NQKpc.js";e(m("main",{children:"Darkroom"}),document.getElementById("page"));
